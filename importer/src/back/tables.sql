create table processes (
    row_id serial primary key, process_id varchar(255) unique not null, process_data jsonb not null,
    bundle bytea not null, epoch int4, nonce int4, hash_chain text, timestamp int8
);
create table messages (
    row_id serial primary key, process_id varchar(255) not null references processes (process_id),
    message_id varchar(255) not null, message_data jsonb not null, epoch int4 not null, nonce int4 not null,
    timestamp int8 not null, bundle bytea not null, hash_chain text not null, assignment_id varchar(255) unique
);
create index messages_message_id on messages (message_id);
create index messages_process_id_timestamp on messages (process_id, timestamp);
create index messages_process_id_nonce on messages (process_id, nonce);
create table if not exists schedulers (
    row_id serial primary key, url varchar unique not null, process_count int4 not null, no_route bool default false,
    wallets_to_route text, wallets_only bool
);
create table if not exists process_schedulers (
    row_id serial primary key, process_id varchar unique not null,
    scheduler_row_id int4 not null references schedulers (row_id)
);
create table if not exists __diesel_schema_migrations (
    version varchar(50) primary key, run_on timestamp not null default current_timestamp
);
insert into __diesel_schema_migrations (version)
    select unnest(array['00000000000000', '20231213213153', '20240327163751', '20240529143054', '20240805190651',
        '20240904145702', '20241126200327', '20250318144400'])
    on conflict do nothing;
