-- The per-subscriber design, as published realtime servers for PostgreSQL have it: for each change, one
-- look per subscription, under its role and claims, at whether the row may be selected. Written for
-- this benchmark; the tables and the policy are those of rights_bench.cc.
create role bench_reader nologin;
create schema bench;
create table bench.customers(id uuid primary key, portal_user_id uuid, name text);
create table bench.jobs(id bigint primary key, customer_id uuid, title text, status text,
  scheduled_at timestamptz, price bigint, urgent boolean, notes text, region text);
create index on bench.customers(portal_user_id);
create function bench.uid() returns uuid language sql stable as
  $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
alter table bench.customers enable row level security;
alter table bench.jobs enable row level security;
create policy own on bench.customers for select using (portal_user_id = bench.uid());
create policy own on bench.jobs for select
  using (customer_id in (select id from bench.customers where portal_user_id = bench.uid()));
grant usage on schema bench to bench_reader;
grant select on bench.customers, bench.jobs to bench_reader;

create function bench.uuid_of(n bigint) returns uuid language sql immutable as
  $$ select (lpad(to_hex((n * 7919) & 4294967295), 8, '0') || '-0000-4000-8000-' ||
             lpad(to_hex(n), 12, '0'))::uuid $$;
insert into bench.customers
  select bench.uuid_of(i), bench.uuid_of(1000000 + i), 'Customer ' || i
  from generate_series(0, 99999) i;
analyze bench.customers;

create table bench.subscriptions(id bigint primary key, claims text not null);

create function bench.subscribe(subscribers bigint) returns void language sql as $$
  truncate bench.subscriptions;
  insert into bench.subscriptions select i, json_build_object('role', 'bench_reader', 'sub',
    bench.uuid_of(1000000 + i))::text from generate_series(0, subscribers - 1) i;
$$;

-- The subscriptions that may see the row. The role is switched once, the statement prepared once: the
-- design at its best.
create function bench.readers_of(wanted bigint) returns bigint[] language plpgsql as $$
declare
  subscription record;
  visible boolean;
  readers bigint[] := '{}';
begin
  for subscription in select id, claims from bench.subscriptions order by id loop
    perform set_config('request.jwt.claims', subscription.claims, true);
    execute 'select exists (select 1 from bench.jobs where id = $1)' into visible using wanted;
    if visible then readers := readers || subscription.id; end if;
  end loop;
  return readers;
end $$;
grant select on bench.subscriptions to bench_reader;
