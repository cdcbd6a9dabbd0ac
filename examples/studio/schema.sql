-- What the brand engine's screens show.
create table if not exists campaigns(
  id text not null primary key,
  name text not null,
  channel text not null,
  status text not null default 'draft', -- draft, live, done
  created_at timestamptz not null
);

create table if not exists reviews(
  id text not null primary key,
  campaign_id text not null,
  title text not null,
  copy text not null,
  author text not null,
  status text not null default 'pending', -- pending, approved, rejected
  updated_at timestamptz not null
);

create table if not exists videos(
  id text not null primary key,
  campaign_id text not null,
  title text not null,
  status text not null, -- queued, generating, ready, failed
  progress integer not null default 0, -- percent
  updated_at timestamptz not null
);
create index if not exists videos_campaign on videos(campaign_id);

create table if not exists brand_assets(
  id text not null primary key,
  name text not null,
  kind text not null,
  bytes bigint not null,
  created_at timestamptz not null
);
