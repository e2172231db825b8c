-- Orders and revenue by region and gender of the users, as far as they are known.
select region, gender, currency, orders, revenue, per_order
from sales_by_region_and_gender
order by revenue desc nulls last, orders desc, region, gender;
