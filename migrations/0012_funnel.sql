-- The stages on the way to an order, in their order: a banner, page or product seen, a banner clicked, a product
-- put into the cart, an order. Null for what is none.
create function funnel_stage(event_type text) returns integer
    language sql immutable parallel safe
    return case
        when event_type in ('banner_show', 'page_view', 'product_view') then 1
        when event_type = 'banner_click' then 2
        when event_type = 'cart' then 3
        when event_type = 'order' then 4
    end;
