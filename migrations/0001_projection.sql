-- The Postgres projection: what the log says, as tables.
--
-- Every table begins with the id of the store (the log) whose rows it holds, and is partitioned by it: several nodes
-- share a database, and each writes to partitions in a schema of its own. A rebuild fills a second such schema and
-- takes the first one's place in one transaction. The parents have no indexes; each partition has its own, made
-- after it was filled (quipu.make_indexes).
--
-- Ids and addresses are base64url, as everywhere in ao. Times are milliseconds since 1970. What may hold any byte is
-- bytea. A json column is null where its text would hold a NUL, which Postgres does not take.

create table stores (
    store uuid primary key,
    -- The stores of a database by their order of arrival, from 1: the upper bits of row_id in the compatible views.
    number integer generated always as identity unique
);

-- How far each store's tables are. The row that is live is that of the tables that are read; the other one is that of
-- a rebuild under way.
create table cursors (
    store uuid not null references stores,
    live boolean not null,
    -- The version of what the rows mean, which the program knows.
    layout integer not null,
    term bigint not null,
    -- The last event that is there, and the id of its assignment (or item); null while there is none.
    position bigint,
    fingerprint text,
    updated_at timestamptz not null default now(),
    primary key (store, live)
);

create table processes (
    store uuid not null,
    process text collate "C" not null,
    sequence bigint not null,
    nonce bigint,
    owner text collate "C" not null,
    timestamp bigint
) partition by list (store);

-- One row for each event that concerns a process, in the order of the log. An assigned message that is on chain has
-- no item here: owner and all that follows from the item are null.
create table messages (
    store uuid not null,
    sequence bigint not null,
    process text collate "C" not null,
    nonce bigint,
    -- 0 spawned, 1 scheduled, 2 assigned.
    kind smallint not null,
    timestamp bigint,
    -- The id of the item; for an assigned message that of what is on chain.
    id text collate "C" not null,
    owner text collate "C",
    recipient text collate "C",
    signature_type smallint,
    -- Of the data, in bytes.
    size bigint,
    anchor bytea,
    signature bytea,
    -- [{"name": …, "value": …}, …] in the order of the item.
    tags json,
    data bytea
) partition by list (store);

create table assignments (
    store uuid not null,
    sequence bigint not null,
    process text collate "C" not null,
    nonce bigint,
    epoch bigint,
    timestamp bigint,
    block_height bigint,
    id text collate "C" not null,
    owner text collate "C" not null,
    hash_chain text collate "C",
    imported boolean not null,
    signature_type smallint not null,
    anchor bytea,
    signature bytea not null,
    tags json
) partition by list (store);

-- The tags of the items, to find them by.
create table tags (
    store uuid not null,
    sequence bigint not null,
    -- The place in the item, from 0.
    place smallint not null,
    -- Whether the item spawned a process.
    spawn boolean not null,
    -- The first 8 bytes, big-endian, of SHA-256(length of the name as 4 bytes, big-endian ‖ name ‖ value).
    key bigint not null,
    name bytea not null,
    value bytea not null
) partition by list (store);

-- Public keys of all signers, with the event that brought each first.
create table owners (
    store uuid not null,
    address text collate "C" not null,
    sequence bigint not null,
    key bytea not null
) partition by list (store);

-- Counts by the hour of the assignment, for each process, and for all together under the empty text.
create table totals (
    store uuid not null,
    process text collate "C" not null,
    -- Hours since 1970; 0 where an assignment has no time.
    hour bigint not null,
    spawned bigint not null,
    scheduled bigint not null,
    assigned bigint not null,
    -- Of data.
    bytes bigint not null,
    -- The first and the last event of it: what is asked for by time is looked for between these.
    first bigint not null,
    last bigint not null
) partition by list (store);

create function table_names() returns text[] language sql immutable as
$$ select array['processes', 'messages', 'assignments', 'tags', 'owners', 'totals'] $$;

-- Makes the tables of one store in a schema that is not there yet. The check lets them be attached without a scan.
create function make_tables(home text, of_store uuid) returns void language plpgsql as $$
declare
    name text;
begin
    execute format('create schema %I', home);
    foreach name in array quipu.table_names() loop
        execute format(
            'create table %I.%I (like quipu.%I including defaults, constraint of_store check (store = %L))',
            home, name, name, of_store);
    end loop;
    -- Rows of these two are added to, not only appended, so they need their indexes from the beginning.
    execute format('create unique index owners_address on %I.owners (store, address)', home);
    execute format('create unique index totals_process on %I.totals (store, process, hour)', home);
end $$;

create function make_indexes(home text) returns void language plpgsql as $$
begin
    perform set_config('search_path', quote_ident(home), true);
    create unique index if not exists processes_process on processes (store, process);
    create unique index if not exists processes_sequence on processes (store, sequence);
    create index if not exists processes_owner on processes (store, owner, sequence);
    create index if not exists processes_timestamp on processes (store, timestamp, sequence);
    create unique index if not exists messages_sequence on messages (store, sequence);
    create index if not exists messages_id on messages (store, id, sequence);
    create index if not exists messages_process on messages (store, process, sequence);
    create index if not exists messages_nonce on messages (store, process, nonce);
    create index if not exists messages_owner on messages (store, owner, sequence);
    create index if not exists messages_recipient on messages (store, recipient, sequence);
    create index if not exists messages_timestamp on messages (store, timestamp, sequence);
    create index if not exists messages_rare on messages (store, kind, sequence) where kind <> 1;
    create unique index if not exists assignments_sequence on assignments (store, sequence);
    create index if not exists assignments_id on assignments (store, id);
    create index if not exists tags_key on tags (store, key, sequence);
    create index if not exists tags_spawn on tags (store, key, sequence) where spawn;
    create index if not exists tags_sequence on tags using brin (sequence) with (pages_per_range = 8);
end $$;

create function attach_tables(home text, of_store uuid) returns void language plpgsql as $$
declare
    name text;
begin
    foreach name in array quipu.table_names() loop
        execute format('alter table quipu.%I attach partition %I.%I for values in (%L)', name, home, name, of_store);
    end loop;
end $$;

create function detach_tables(home text) returns void language plpgsql as $$
declare
    name text;
begin
    foreach name in array quipu.table_names() loop
        execute format('alter table quipu.%I detach partition %I.%I', name, home, name);
    end loop;
end $$;

create function base64url(bytes bytea) returns text language sql immutable parallel safe as
$$ select rtrim(translate(replace(encode(bytes, 'base64'), E'\n', ''), '+/', '-_'), '=') $$;

-- The key of a tag, by which it is found: where key = quipu.tag_key('Action', 'Transfer').
create function tag_key(name bytea, value bytea) returns bigint language sql immutable parallel safe as $$
    select ('x' || encode(substr(sha256(int4send(octet_length(name)) || name || value), 1, 8), 'hex'))::bit(64)::bigint
$$;

-- The bytes as text; null where they are none, or hold a NUL.
create function text_or_null(bytes bytea) returns text language plpgsql immutable parallel safe as $$
begin
    return convert_from(bytes, 'UTF8');
exception when others then
    return null;
end $$;

create function anchor_json(bytes bytea) returns text language sql immutable parallel safe as
$$ select case when bytes is null or bytes = '' then null else quipu.text_or_null(bytes) end $$;
