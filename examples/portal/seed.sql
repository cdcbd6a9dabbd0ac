insert into customers(id, portal_user_id, name, email, address, tier, updated_at) values
  (1, '00000000-0000-4000-8000-000000000001', 'Ada Brooks', 'ada@brooks.example', '12 Alder Lane', 'Gold', '2026-11-20T09:00:00Z'),
  (2, '00000000-0000-4000-8000-000000000002', 'Noah Patel', 'noah@patel.example', '3 Quay Street', 'Silver', '2026-11-18T12:00:00Z');

insert into jobs(id, customer_id, title, status, technician, scheduled_at, updated_at) values
  (11, 1, 'Boiler service', 'scheduled', 'Tess Moreau', '2026-12-01T09:30:00Z', '2026-11-26T10:00:00Z'),
  (12, 1, 'Replace kitchen tap', 'on the way', 'Omar Said', '2026-11-27T13:00:00Z', '2026-11-27T12:20:00Z'),
  (13, 1, 'Gutter cleaning', 'done', 'Tess Moreau', '2026-11-10T08:00:00Z', '2026-11-10T11:45:00Z'),
  (21, 2, 'Radiator balancing', 'scheduled', null, '2026-12-03T15:00:00Z', '2026-11-25T16:00:00Z');

insert into invoices(id, customer_id, number, amount_cents, status, due_on, updated_at) values
  (31, 1, 'F-2041', 18900, 'open', '2026-12-10', '2026-11-11T09:00:00Z'),
  (32, 1, 'F-1987', 6400, 'paid', '2026-10-30', '2026-10-28T17:10:00Z'),
  (33, 2, 'F-2044', 31250, 'overdue', '2026-11-20', '2026-11-21T00:05:00Z');

insert into messages(id, customer_id, sender, body, created_at, read_at) values
  ('m1', 1, 'office', 'Hello Ada, Omar will bring the tap you chose.', '2026-11-26T15:02:00Z', '2026-11-26T15:30:00Z'),
  ('m2', 1, 'customer', 'Lovely. He can park behind the house.', '2026-11-26T15:31:00Z', '2026-11-26T15:40:00Z'),
  ('m3', 1, 'office', 'He is on his way now, about 20 minutes.', '2026-11-27T12:21:00Z', null),
  ('m4', 2, 'office', 'Invoice F-2044 is overdue; shall we call you?', '2026-11-21T09:00:00Z', null);

insert into loyalty_transactions(id, customer_id, points, reason, created_at) values
  (51, 1, 120, 'Gutter cleaning', '2026-11-10T12:00:00Z'),
  (52, 1, -50, 'Voucher for filters', '2026-11-15T10:00:00Z'),
  (53, 1, 200, 'Welcome', '2026-02-01T10:00:00Z'),
  (54, 2, 200, 'Welcome', '2026-03-14T10:00:00Z');
