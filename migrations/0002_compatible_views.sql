-- What tools read that were built for the tables of the existing scheduler. The views go to the schema public, unless
-- something of that name is there already, or this user may not create there: then a warning says so.

create view compatible_messages as
select
    ((s.number::bigint - 1) << 48) + m.sequence + 1 as row_id,
    m.process as process_id,
    m.id as message_id,
    a.id as assignment_id,
    a.epoch,
    a.nonce,
    a.timestamp,
    a.hash_chain,
    case
        when a.tags is null then null
        when m.kind = 1 and (m.tags is null or quipu.text_or_null(m.data) is null) then null
        else json_build_object(
            'message', case when m.kind = 1 then json_build_object(
                'id', m.id,
                'owner', json_build_object('address', m.owner, 'key', quipu.base64url(mo.key)),
                'data', quipu.text_or_null(m.data),
                'tags', m.tags,
                'signature', quipu.base64url(m.signature),
                'anchor', quipu.anchor_json(m.anchor),
                'target', coalesce(m.recipient, '')) end,
            'assignment', json_build_object(
                'id', a.id,
                'owner', json_build_object('address', a.owner, 'key', quipu.base64url(ao.key)),
                'tags', a.tags,
                'signature', quipu.base64url(a.signature),
                'anchor', quipu.anchor_json(a.anchor),
                'target', ''))
    end as message_data
from messages m
join stores s on s.store = m.store
join assignments a on a.store = m.store and a.sequence = m.sequence
left join owners ao on ao.store = a.store and ao.address = a.owner
left join owners mo on mo.store = m.store and mo.address = m.owner
where m.kind <> 0;

create view compatible_processes as
select
    ((s.number::bigint - 1) << 48) + m.sequence + 1 as row_id,
    m.process as process_id,
    case
        when m.tags is null or (a.id is not null and a.tags is null) then null
        else json_build_object(
            'process', json_build_object(
                'process_id', m.process,
                'block', lpad(coalesce(a.block_height, 0)::text, 12, '0'),
                'owner', json_build_object('address', m.owner, 'key', quipu.base64url(mo.key)),
                'tags', m.tags,
                'timestamp', coalesce(a.timestamp, 0),
                'data', quipu.text_or_null(m.data),
                'anchor', quipu.anchor_json(m.anchor),
                'signature', quipu.base64url(m.signature),
                'target', m.recipient),
            'assignment', case when a.nonce is not null then json_build_object(
                'id', a.id,
                'owner', json_build_object('address', a.owner, 'key', quipu.base64url(ao.key)),
                'tags', a.tags,
                'signature', quipu.base64url(a.signature),
                'anchor', quipu.anchor_json(a.anchor),
                'target', '') end)
    end as process_data,
    case when a.nonce is not null then a.epoch end as epoch,
    a.nonce,
    a.timestamp,
    case when a.nonce is not null then a.hash_chain end as hash_chain
from messages m
join stores s on s.store = m.store
left join assignments a on a.store = m.store and a.sequence = m.sequence
left join owners ao on ao.store = a.store and ao.address = a.owner
left join owners mo on mo.store = m.store and mo.address = m.owner
where m.kind = 0;

do $$
declare
    name text;
begin
    foreach name in array array['messages', 'processes'] loop
        if to_regclass('public.' || name) is not null then
            raise warning 'public.% is there already: the compatible view is quipu.compatible_%', name, name;
        else
            begin
                execute format('create view public.%I as select * from quipu.%I', name, 'compatible_' || name);
            exception when insufficient_privilege or invalid_schema_name then
                raise warning 'public.% cannot be created: the compatible view is quipu.compatible_%', name, name;
            end;
        end if;
    end loop;
end $$;
