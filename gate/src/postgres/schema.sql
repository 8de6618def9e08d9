-- What a gate keeps: the records as they are, and one row that says where they end and whose turn it is. Whoever writes
-- changes that row in the same transaction, so that of two who would one is refused.
create schema if not exists quipu_gate;

create table if not exists quipu_gate.records (
    number bigint primary key,
    record bytea not null
);
-- Signatures cannot be compressed; and so the length of a record is known without reading it.
alter table quipu_gate.records alter column record set storage external;

create table if not exists quipu_gate.log_end (
    one boolean primary key default true check (one),
    store uuid,
    records bigint not null,
    events bigint not null,
    digest bytea not null,
    claim uuid,
    term bigint,
    owner uuid,
    -- Counts what is written for no other reason than to be waited for.
    settled bigint not null default 0
);
insert into quipu_gate.log_end (records, events, digest)
    values (0, 0, decode(repeat('00', 32), 'hex')) on conflict do nothing;
