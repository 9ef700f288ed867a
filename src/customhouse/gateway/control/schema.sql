-- The gateway's memory. Written before the kernel is told, so that a restart knows at least what the kernel knew.
create table devices(
    id text primary key,               -- the MAC address, lower case with colons
    number integer not null unique,    -- stands for the device in packet marks; never given to another
    segment text not null default '',
    port text not null default '',     -- the bridge port where it was admitted
    name text not null default '',     -- what the owner calls it
    claimed text not null default '',  -- what it calls itself: hostile text
    first_seen real not null,          -- seconds since 1970
    last_seen real not null,
    mode text not null default 'held' check(mode in ('held', 'enforced', 'learning')),
    pinned_url text not null default '',
    claimed_url text not null default ''
);
create table addresses(
    address text primary key,
    device text not null references devices(id) on delete cascade,
    seen real not null
);
create table profiles(
    device text not null references devices(id) on delete cascade,
    kind text not null check(kind in ('approved', 'proposed')),
    profile text not null,             -- DeviceProfile as JSON
    at real not null,
    primary key(device, kind)
);
create table approvals(
    device text not null references devices(id) on delete cascade,
    ace text not null,                 -- Ace as JSON: the very thing that was approved, not a name that could come to mean another
    at real not null,
    until real,                        -- null: until taken back
    why text not null default '',
    primary key(device, ace)
);
create table quarantines(
    device text primary key references devices(id) on delete cascade,
    since real not null,
    why text not null
);
create table learned(
    device text not null references devices(id) on delete cascade,
    name text not null,
    address text not null,
    until real not null,
    primary key(device, name, address)
);
create table requests(
    id integer primary key,
    device text not null references devices(id) on delete cascade,
    what text not null,                -- name | address | port | profile
    subject text not null,
    detail text not null default '',
    first real not null,
    last real not null,
    times integer not null default 1,
    answer text not null default '',   -- '' open, approved, denied
    unique(device, what, subject)
);
create table history(
    at real not null,
    device text not null,
    event text not null,
    detail text not null default ''
);
create index history_by_device on history(device, at);
