insert into ngos(id, name, city, focus, status, updated_at) values
  (1, 'Harbour Kitchen', 'Rotterdam', 'Meals for neighbours', 'active', '2026-11-20T09:00:00Z'),
  (2, 'River Watch', 'Basel', 'Clean water', 'active', '2026-11-21T10:30:00Z'),
  (3, 'Second Page', 'Leipzig', 'Adult literacy', 'active', '2026-11-18T08:15:00Z'),
  (4, 'Green Roofs', 'Vienna', 'Urban gardens', 'in review', '2026-11-25T16:45:00Z'),
  (5, 'Night Line', 'Cork', 'Crisis support', 'paused', '2026-10-30T12:00:00Z');

insert into projects(id, ngo_id, title, status, spots, taken, starts_on, updated_at) values
  (101, 1, 'Sunday lunch, north bank', 'open', 12, 7, '2026-12-06', '2026-11-26T08:00:00Z'),
  (102, 1, 'Delivery by bicycle', 'running', 8, 8, '2026-11-01', '2026-11-25T08:00:00Z'),
  (103, 2, 'Water samples, ten bridges', 'open', 20, 11, '2026-12-01', '2026-11-27T07:30:00Z'),
  (104, 2, 'Shore clean-up', 'full', 30, 30, '2026-11-29', '2026-11-26T18:00:00Z'),
  (105, 3, 'Evening reading tables', 'open', 10, 4, '2027-01-11', '2026-11-24T13:00:00Z'),
  (106, 3, 'Forms and letters desk', 'running', 6, 5, '2026-10-05', '2026-11-22T13:00:00Z'),
  (107, 4, 'Seedlings for forty roofs', 'open', 15, 2, '2027-03-02', '2026-11-27T09:00:00Z'),
  (108, 5, 'Listening training', 'done', 14, 14, '2026-09-14', '2026-10-29T11:00:00Z');

insert into volunteers(id, name, city, skills, hours, status, updated_at) values
  (201, 'Amira Haddad', 'Rotterdam', 'Cooking, first aid', 86, 'engaged', '2026-11-27T08:00:00Z'),
  (202, 'Jonas Weber', 'Basel', 'Chemistry, boats', 41, 'available', '2026-11-26T15:00:00Z'),
  (203, 'Noor de Vries', 'Rotterdam', 'Logistics', 120, 'engaged', '2026-11-26T11:00:00Z'),
  (204, 'Luca Ferri', 'Vienna', 'Gardening, carpentry', 18, 'available', '2026-11-25T10:00:00Z'),
  (205, 'Sinead Walsh', 'Cork', 'Counselling', 210, 'away', '2026-11-12T09:30:00Z'),
  (206, 'Tomasz Nowak', 'Leipzig', 'Teaching, Polish', 64, 'available', '2026-11-27T06:50:00Z'),
  (207, 'Elif Kaya', 'Basel', 'Photography, Turkish', 33, 'engaged', '2026-11-24T19:00:00Z');

insert into volunteer_applications
  (id, ngo_id, project_title, volunteer_name, status, note, created_at, updated_at) values
  (301, 1, 'Sunday lunch, north bank', 'Tomasz Nowak', 'submitted', 'Free every second Sunday.', '2026-11-27T07:02:00Z', '2026-11-27T07:02:00Z'),
  (302, 1, 'Sunday lunch, north bank', 'Elif Kaya', 'shortlisted', null, '2026-11-26T12:40:00Z', '2026-11-26T16:10:00Z'),
  (303, 2, 'Water samples, ten bridges', 'Jonas Weber', 'accepted', 'Has a boat licence.', '2026-11-24T09:20:00Z', '2026-11-25T09:00:00Z'),
  (304, 2, 'Water samples, ten bridges', 'Luca Ferri', 'submitted', null, '2026-11-27T08:45:00Z', '2026-11-27T08:45:00Z'),
  (305, 3, 'Evening reading tables', 'Amira Haddad', 'submitted', 'Arabic and Dutch.', '2026-11-27T05:55:00Z', '2026-11-27T05:55:00Z'),
  (306, 3, 'Forms and letters desk', 'Noor de Vries', 'declined', 'Too far to travel.', '2026-11-19T14:00:00Z', '2026-11-21T10:00:00Z'),
  (307, 4, 'Seedlings for forty roofs', 'Luca Ferri', 'shortlisted', null, '2026-11-26T20:15:00Z', '2026-11-27T09:10:00Z');

insert into payment_approvals(id, ngo_id, purpose, amount_cents, status, updated_at) values
  (401, 1, 'Cargo bicycle repair', 18400, 'pending', '2026-11-27T08:20:00Z'),
  (402, 2, 'Sample kits', 96250, 'approved', '2026-11-26T10:00:00Z'),
  (403, 3, 'Room rent, December', 42000, 'pending', '2026-11-25T09:15:00Z'),
  (404, 4, 'Seeds and trays', 31580, 'pending', '2026-11-27T09:05:00Z'),
  (405, 2, 'Boat fuel', 12900, 'paid', '2026-11-20T15:30:00Z');

insert into users(id, name, email, role, last_seen_at) values
  (501, 'Mara Lind', 'mara@kindly.example', 'administrator', '2026-11-27T09:12:00Z'),
  (502, 'Idris Bello', 'idris@kindly.example', 'reviewer', '2026-11-27T08:55:00Z'),
  (503, 'Chen Yu', 'chen@kindly.example', 'finance', '2026-11-26T17:40:00Z');

insert into vetting_queue(id, volunteer_name, step, assigned_to, waiting_since) values
  (601, 'Luca Ferri', 'references', 'Idris Bello', '2026-11-25T10:00:00Z'),
  (602, 'Elif Kaya', 'interview', null, '2026-11-24T19:00:00Z'),
  (603, 'Priya Nair', 'identity', null, '2026-11-27T07:45:00Z');
