-- Three organizations of the fake provider (fake-provider.mjs).
insert into organizations(id, name, timezone) values
  ('0b5c0f7e-0000-4000-8000-000000000001', 'Harbor for Mayor', 'America/New_York'),
  ('0b5c0f7e-0000-4000-8000-000000000002', 'Clean Rivers PAC', 'America/Chicago'),
  ('0b5c0f7e-0000-4000-8000-000000000003', 'Reyes for Senate', 'America/Los_Angeles');
insert into org_credentials(organization_id, source, secret_ref) values
  ('0b5c0f7e-0000-4000-8000-000000000001', 'meta', 'meta-token-1'),
  ('0b5c0f7e-0000-4000-8000-000000000001', 'meta_account', '101'),
  ('0b5c0f7e-0000-4000-8000-000000000001', 'switchboard', 'switchboard-token-1'),
  ('0b5c0f7e-0000-4000-8000-000000000001', 'actblue', 'actblue-token-1'),
  ('0b5c0f7e-0000-4000-8000-000000000002', 'meta', 'meta-token-2'),
  ('0b5c0f7e-0000-4000-8000-000000000002', 'meta_account', '102'),
  ('0b5c0f7e-0000-4000-8000-000000000002', 'switchboard', 'switchboard-token-2'),
  ('0b5c0f7e-0000-4000-8000-000000000002', 'actblue', 'actblue-token-2'),
  ('0b5c0f7e-0000-4000-8000-000000000003', 'meta', 'meta-token-3'),
  ('0b5c0f7e-0000-4000-8000-000000000003', 'meta_account', '103'),
  ('0b5c0f7e-0000-4000-8000-000000000003', 'switchboard', 'switchboard-token-3'),
  ('0b5c0f7e-0000-4000-8000-000000000003', 'actblue', 'actblue-token-3');
insert into org_ad_accounts values
  ('act_101', '0b5c0f7e-0000-4000-8000-000000000001'),
  ('act_102', '0b5c0f7e-0000-4000-8000-000000000002'),
  ('act_103', '0b5c0f7e-0000-4000-8000-000000000003');
insert into org_forms values
  ('harbor-home', '0b5c0f7e-0000-4000-8000-000000000001'),
  ('rivers-home', '0b5c0f7e-0000-4000-8000-000000000002'),
  ('reyes-home', '0b5c0f7e-0000-4000-8000-000000000003');
