-- What routers know, shared by all that use this database.
create schema if not exists quipu_router;

-- Which state this is: one for all.
create table if not exists quipu_router.identity (
    only_one boolean primary key default true check (only_one),
    store uuid not null
);

create table if not exists quipu_router.schedulers (
    number integer primary key,
    url text not null unique,
    no_route boolean not null,
    -- Addresses, with commas between them.
    wallets text not null,
    wallets_only boolean not null,
    retired boolean not null,
    processes bigint not null default 0
);

-- What they tell of themselves: the store that their log is in, the highest term in which they led it, and their admin listener.
alter table quipu_router.schedulers
    add column if not exists store uuid,
    add column if not exists term bigint not null default 0,
    add column if not exists admin text;

-- The right to have the leader of a store replaced: the term of that leader, how often the right was given, and until when.
create table if not exists quipu_router.turns (
    store uuid primary key,
    term bigint not null,
    given bigint not null,
    free_at timestamptz not null
);

-- How much each store was seen to have: how often an operator took less for all of it, the term, and how many events.
create table if not exists quipu_router.marks (
    store uuid primary key,
    accepted bigint not null,
    term bigint not null,
    events bigint not null
);

-- A process has one home, for ever.
create table if not exists quipu_router.homes (
    process bytea primary key check (length(process) = 32),
    scheduler integer not null references quipu_router.schedulers (number)
);

-- But for a move: how often it has moved.
alter table quipu_router.homes add column if not exists version bigint not null default 0;

-- The records that were published of where the router is: with their bytes, while nobody has taken them.
create table if not exists quipu_router.locations (
    nonce bigint primary key,
    record jsonb not null
);

-- Which router sends such a record, until when: others do not meanwhile.
alter table quipu_router.locations
    add column if not exists sender uuid,
    add column if not exists sent_until timestamptz;

-- All that happened to schedulers and processes, in order: the tables above follow from it.
create table if not exists quipu_router.events (
    sequence bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    kind text not null,
    scheduler integer not null,
    process bytea,
    detail jsonb
);

-- More kinds have come since this was made; the drop is nothing to wait for.
alter table quipu_router.events drop constraint if exists events_kind_check;

-- Which of these tables are there: who finds all of them changes none, so that nobody waits for whoever reads them.
create table if not exists quipu_router.layout (
    only_one boolean primary key default true check (only_one),
    version integer not null
);
insert into quipu_router.layout (version) values (2)
    on conflict (only_one) do update set version = greatest(layout.version, excluded.version);
