-- Messages as they could be: a thousand processes, of which few get most; twenty actions, of which few are usual;
-- eight tags each. $NUMBER of them, in the schema filled, for the store $STORE.
create temporary table synthetic as
select
    i as sequence,
    case when i < 1000 then i else floor(1000 * power(random(), 4))::bigint end as process,
    floor(20000 * power(random(), 2))::bigint as owner,
    floor(20 * power(random(), 2))::bigint as action
from generate_series(0, $NUMBER - 1) i;

create function pg_temp.id(kind text, number bigint) returns text language sql immutable as
$$ select quipu.base64url(sha256(convert_to(kind || number, 'UTF8'))) $$;

insert into filled.processes
select '$STORE', pg_temp.id('process', process), sequence, 0, pg_temp.id('owner', owner), 1700000000000 + sequence * 100
from synthetic where sequence < 1000;

insert into filled.messages
select
    '$STORE', sequence, pg_temp.id('process', process),
    row_number() over (partition by process order by sequence) - 1,
    case when sequence < 1000 then 0 else 1 end, 1700000000000 + sequence * 100,
    case when sequence < 1000 then pg_temp.id('process', process) else pg_temp.id('message', sequence) end,
    pg_temp.id('owner', owner), case when sequence < 1000 then null else pg_temp.id('process', process) end, 1, 100,
    null, decode(repeat(md5(sequence::text), 32), 'hex'),
    json_build_array(
        json_build_object('name', 'Data-Protocol', 'value', 'ao'),
        json_build_object('name', 'Type', 'value', case when sequence < 1000 then 'Process' else 'Message' end),
        json_build_object('name', 'Variant', 'value', 'ao.TN.1'),
        json_build_object('name', 'SDK', 'value', 'aoconnect'),
        json_build_object('name', 'Action', 'value', 'Action-' || action),
        json_build_object('name', 'Reference', 'value', sequence::text),
        json_build_object('name', 'Quantity', 'value', (sequence % 1000)::text),
        json_build_object('name', 'Recipient', 'value', pg_temp.id('owner', owner))),
    decode(repeat(md5(sequence::text), 6), 'hex')
from synthetic;

insert into filled.assignments
select
    '$STORE', sequence, process, nonce, 0, timestamp, 1650000, pg_temp.id('assignment', sequence),
    pg_temp.id('scheduler', 0), pg_temp.id('chain', sequence), false, 1, null, signature, '[]'
from filled.messages;

insert into filled.tags
select '$STORE', sequence, place - 1, kind = 0,
    quipu.tag_key(convert_to(tag->>'name', 'UTF8'), convert_to(tag->>'value', 'UTF8')),
    convert_to(tag->>'name', 'UTF8'), convert_to(tag->>'value', 'UTF8')
from filled.messages, json_array_elements(tags) with ordinality as tags (tag, place);

insert into filled.totals
select '$STORE', process, timestamp / 3600000, count(*) filter (where kind = 0), count(*) filter (where kind = 1), 0,
    sum(size), min(sequence), max(sequence)
from filled.messages group by process, timestamp / 3600000;
insert into filled.totals
select '$STORE', '', hour, sum(spawned), sum(scheduled), 0, sum(bytes), min(first), max(last)
from filled.totals group by hour;
