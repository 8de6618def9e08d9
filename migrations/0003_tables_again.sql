-- Tables that somebody dropped are made again: what is left of a store's earlier ones goes first, by name.

drop function if exists make_tables(text, uuid);
drop function if exists make_indexes(text);
drop function if exists attach_tables(text, uuid);
drop function if exists detach_tables(text);

-- Makes the tables of one store in a schema of their own. The check lets them be attached without a scan.
create function make_tables(of_schema text, of_store uuid) returns void language plpgsql as $$
declare
    name text;
begin
    execute format('create schema if not exists %I', of_schema);
    foreach name in array quipu.table_names() loop
        execute format('drop table if exists %I.%I', of_schema, name);
        execute format(
            'create table %I.%I (like quipu.%I including defaults, constraint of_store check (store = %L))',
            of_schema, name, name, of_store);
    end loop;
    -- Rows of these two are added to, not only appended, so they need their indexes from the beginning.
    execute format('create unique index owners_address on %I.owners (store, address)', of_schema);
    execute format('create unique index totals_process on %I.totals (store, process, hour)', of_schema);
end $$;

create function make_indexes(of_schema text) returns void language plpgsql as $$
begin
    perform set_config('search_path', quote_ident(of_schema), true);
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

create function attach_tables(of_schema text, of_store uuid) returns void language plpgsql as $$
declare
    name text;
begin
    foreach name in array quipu.table_names() loop
        execute format(
            'alter table quipu.%I attach partition %I.%I for values in (%L)', name, of_schema, name, of_store);
    end loop;
end $$;

create function detach_tables(of_schema text) returns void language plpgsql as $$
declare
    name text;
begin
    foreach name in array quipu.table_names() loop
        execute format('alter table quipu.%I detach partition %I.%I', name, of_schema, name);
    end loop;
end $$;
