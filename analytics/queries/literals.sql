-- Texts as literals of SQL, in their order.
--
-- $1 texts
select quote_literal(text) as "literal!"
from unnest($1::text[]) with ordinality as t(text, place)
order by place
