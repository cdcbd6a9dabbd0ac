insert into campaigns(id, name, channel, status, created_at) values
  ('c1', 'Winter light', 'Video', 'live', '2026-11-02T09:00:00Z'),
  ('c2', 'Desk lamp, repaired', 'Social', 'live', '2026-11-12T09:00:00Z'),
  ('c3', 'Spring catalogue', 'Print', 'draft', '2026-11-24T09:00:00Z');

insert into reviews(id, campaign_id, title, copy, author, status, updated_at) values
  ('r1', 'c1', 'Opening line', 'The days are short. Your evenings need not be.', 'Draft engine', 'pending', '2026-11-27T08:10:00Z'),
  ('r2', 'c1', 'Closing card', 'Light that waits for you.', 'Draft engine', 'pending', '2026-11-27T08:12:00Z'),
  ('r3', 'c2', 'Caption, first slide', 'We mend what we make. Bring it in.', 'Noemi Falk', 'pending', '2026-11-27T09:01:00Z'),
  ('r4', 'c2', 'Caption, last slide', 'Eleven screws, one new switch, ten more years.', 'Noemi Falk', 'approved', '2026-11-26T16:30:00Z'),
  ('r5', 'c3', 'Cover', 'Spring, unhurried.', 'Draft engine', 'rejected', '2026-11-25T11:20:00Z');

insert into videos(id, campaign_id, title, status, progress, updated_at) values
  ('v1', 'c1', 'Hallway, 15 s', 'generating', 42, '2026-11-27T09:10:00Z'),
  ('v2', 'c1', 'Kitchen, 30 s', 'queued', 0, '2026-11-27T09:11:00Z'),
  ('v3', 'c1', 'Reading chair, 6 s', 'ready', 100, '2026-11-26T18:00:00Z'),
  ('v4', 'c2', 'Workbench, 20 s', 'ready', 100, '2026-11-20T10:00:00Z');

insert into brand_assets(id, name, kind, bytes, created_at) values
  ('a1', 'lumen-wordmark.svg', 'logo', 4210, '2026-09-01T08:00:00Z'),
  ('a2', 'tone-of-voice.pdf', 'guide', 884120, '2026-09-03T08:00:00Z');
