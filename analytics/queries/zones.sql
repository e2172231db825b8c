-- The names of time zones: all that PostgreSQL knows but the aliases of a machine's own files.
select name as "name!"
from pg_timezone_names
where name not in ('localtime', 'posixrules', 'Factory') and name !~ '^(posix|right)/'
