-- Two workspaces, so that it shows that neither sees the other's rows.
insert into client_registry(bison_workspace_id, workspace_name, is_active, timezone, bison_api_key) values
  (37, 'Northwind', 1, 'America/New_York', 'demo-key-37'),
  (38, 'Contoso', 1, 'America/New_York', 'demo-key-38')
on conflict do nothing;

-- Polling is off until there is a platform to poll: start fake-platform.mjs, then
-- `tidewire jobs resume outreach.fallback`.
insert into scheduled_jobs(job_name, is_active) values
  ('outreach.fallback', 0), ('daily_catch_all', 0)
on conflict do nothing;
