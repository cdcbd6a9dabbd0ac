-- What the volunteer platform's screens show.
create table if not exists ngos(
  id bigint not null primary key,
  name text not null,
  city text not null,
  focus text not null,
  status text not null default 'active', -- active, paused, in review
  updated_at timestamptz not null
);

create table if not exists projects(
  id bigint not null primary key,
  ngo_id bigint not null,
  title text not null,
  status text not null, -- open, full, running, done
  spots integer not null,
  taken integer not null default 0,
  starts_on date not null,
  updated_at timestamptz not null
);

create table if not exists volunteers(
  id bigint not null primary key,
  name text not null,
  city text not null,
  skills text not null,
  hours integer not null default 0,
  status text not null default 'available', -- available, engaged, away
  updated_at timestamptz not null
);

create table if not exists volunteer_applications(
  id bigint not null primary key,
  ngo_id bigint not null,
  project_title text not null,
  volunteer_name text not null,
  status text not null default 'submitted', -- submitted, shortlisted, accepted, declined
  note text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index if not exists volunteer_applications_ngo on volunteer_applications(ngo_id);

create table if not exists payment_approvals(
  id bigint not null primary key,
  ngo_id bigint not null,
  purpose text not null,
  amount_cents bigint not null,
  status text not null default 'pending', -- pending, approved, paid, rejected
  updated_at timestamptz not null
);

create table if not exists users(
  id bigint not null primary key,
  name text not null,
  email text not null,
  role text not null, -- administrator, reviewer, finance
  last_seen_at timestamptz
);

create table if not exists vetting_queue(
  id bigint not null primary key,
  volunteer_name text not null,
  step text not null, -- identity, references, interview, cleared
  assigned_to text,
  waiting_since timestamptz not null
);
