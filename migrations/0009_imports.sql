-- Imports that can be resumed, and deleted.

alter table imports
    -- SHA-256 of the file's bytes when unpacked; null for rows that happened "as live", whose ids are new each time
    add column fingerprint text,
    -- what else decides about the event of a row: only what was begun alike is resumed
    add column options jsonb not null default '{}',
    -- the file's first line, under which its rejected lines can be mended; null where lines came without one
    add column header text,
    -- Every row up to this line is stored, was stored before, or is kept as rejected: here a replay that was
    -- killed goes on. So many rows and published ones there are up to it.
    add column done_line bigint not null default 0,
    add column done_rows bigint not null default 0,
    add column done_published bigint not null default 0;
-- its state may also be deleting, when that was interrupted

create index imports_fingerprint on imports (fingerprint);

-- Imports that are gone, for good: the consumer drops what is still on the topic of them. An import that is
-- deleted while consumers store is entered here while none of them is within a transaction.
create table deleted_imports (
    import_id uuid primary key,
    deleted_at timestamptz not null default now(),
    -- Null until its rows are gone. Imports that were under way before may have taken rows for duplicates that
    -- are not there any more, so these are not resumed.
    gone_at timestamptz
);

-- What a deleted import had of each partition, which consumer_offsets still counts.
create table deleted_rows (
    import_id uuid not null references deleted_imports,
    topic text not null,
    partition integer not null,
    stored bigint not null default 0,
    rejected bigint not null default 0
);

-- messages of imports that had been deleted
alter table consumer_offsets add column dropped bigint not null default 0;
