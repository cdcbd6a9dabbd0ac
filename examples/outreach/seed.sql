-- Two workspaces, so that it shows that neither sees the other's rows.
insert into client_registry(bison_workspace_id, workspace_name, is_active, timezone) values
  (37, 'Northwind', 1, 'America/New_York'),
  (38, 'Contoso', 1, 'America/New_York')
on conflict do nothing;
