-- A row an import: a file that replay read. Replay writes what it read and published; what became
-- of its messages is added by the consumer, by way of import_deltas, which are folded in like the
-- counts are.
create table imports (
    import_id uuid primary key,
    -- null when only its messages are known, as after a rebuild from the log
    file_name text,
    format text,
    file_bytes bigint,
    -- of the times in the file
    timezone text,
    as_live boolean not null default false,
    -- running, finished, failed or interrupted; an import whose process was killed stays running
    state text not null default 'running',
    rows_read bigint not null default 0,
    rows_published bigint not null default 0,
    rows_stored bigint not null default 0,
    rows_duplicate bigint not null default 0,
    rows_rejected bigint not null default 0,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);

create table import_deltas (
    import_id uuid not null,
    stored bigint not null,
    duplicate bigint not null,
    rejected bigint not null
);
