-- Users and their events by what is known of users now (by: region, gender, age_group, membership_level), most users first.
select u.value, count(distinct e.user_id) as users, count(*) as events
from picked_events(:'from', :'to', :'filters') e
join (
    select user_id,
        case :'by'
            when 'region' then region
            when 'gender' then gender
            when 'age_group' then age_group
            when 'membership_level' then membership_level
        end as value
    from users
) u on u.user_id = e.user_id
where e.event_type <> 'user_update' and u.value is not null
group by u.value
order by users desc, events desc, u.value collate "C"
limit :'limit';
