-- Two workspaces, so that it shows that neither sees the other's rows.
insert into client_registry(bison_workspace_id, workspace_name, is_active, timezone, bison_api_key) values
  (37, 'Northwind', true, 'America/New_York', 'demo-key-37'),
  (38, 'Contoso', true, 'America/New_York', 'demo-key-38')
on conflict do nothing;

-- Polling is off until there is a platform to poll: start fake-platform.mjs, then
-- `tidewire jobs resume outreach.fallback`.
insert into scheduled_jobs(job_name, is_active) values
  ('outreach.fallback', false), ('outreach.consistency', false), ('daily_catch_all', false)
on conflict do nothing;
