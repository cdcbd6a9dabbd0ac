// The webhook handler that people write: Express, Postgres, one statement after the other. It logs
// the delivery, reads a counter and writes it back, upserts the lead, marks the log row and updates
// the health row, then answers. Its faults are kept on purpose: no transaction, no idempotence.
//
// DATABASE_URL names the database; WEBHOOK_SECRET, when set, makes it check Standard Webhooks
// signatures. Prints {"hook_url": …} when it listens.
import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const secret = process.env.WEBHOOK_SECRET;
const key = secret ? Buffer.from(secret.replace(/^whsec_/, ''), 'base64') : null;

const COUNTERS = {
  EMAIL_SENT: 'emails_sent_mtd',
  MANUAL_EMAIL_SENT: 'manual_emails_sent_mtd',
  EMAIL_OPENED: 'opens_mtd',
  CONTACT_REPLIED: 'replies_mtd',
  LEAD_INTERESTED: 'positive_replies_mtd',
  CONTACT_UNSUBSCRIBED: 'unsubscribed_mtd',
  EMAIL_BOUNCED: 'bounced_mtd',
};
const STAGES = {
  CONTACT_REPLIED: 'replied',
  LEAD_INTERESTED: 'interested',
  CONTACT_UNSUBSCRIBED: 'unsubscribed',
  EMAIL_BOUNCED: 'bounced',
};

function signatureHolds(request, body) {
  const message = `${request.get('webhook-id')}.${request.get('webhook-timestamp')}.`;
  const wanted = createHmac('sha256', key).update(message).update(body).digest();
  const got = Buffer.from((request.get('webhook-signature') ?? '').replace(/^v1,/, ''), 'base64');
  return got.length === wanted.length && timingSafeEqual(got, wanted);
}

async function increment(workspace, column) {
  const where = `where workspace_name = $1 and metric_type = 'mtd'
    and metric_date = date_trunc('month', now())::date`;
  const { rows } = await pool.query(`select ${column} as n from client_metrics ${where}`, [
    workspace,
  ]);
  await pool.query(
    `update client_metrics set ${column} = $2, updated_at = now() ${where}`,
    [workspace, (rows[0]?.n ?? 0) + 1],
  );
}

async function upsertLead(workspace, lead, stage) {
  await pool.query(
    `insert into client_leads (workspace_name, lead_email, bison_lead_id, first_name, last_name,
       title, company, custom_variables, pipeline_stage)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (workspace_name, lead_email) do update set
       first_name = excluded.first_name, last_name = excluded.last_name, title = excluded.title,
       company = excluded.company, custom_variables = excluded.custom_variables,
       pipeline_stage = excluded.pipeline_stage, updated_at = now()`,
    [
      workspace,
      lead.email,
      lead.id,
      lead.first_name,
      lead.last_name,
      lead.title,
      lead.company,
      JSON.stringify(lead.custom_variables),
      stage,
    ],
  );
}

async function handle(payload) {
  const started = Date.now();
  const { type, workspace_name: workspace } = payload.event;
  const { rows } = await pool.query(
    `insert into webhook_delivery_log (event_type, workspace_name, payload)
     values ($1, $2, $3) returning id`,
    [type, workspace, payload],
  );
  if (COUNTERS[type]) await increment(workspace, COUNTERS[type]);
  if (STAGES[type]) await upsertLead(workspace, payload.data.lead, STAGES[type]);
  await pool.query(
    'update webhook_delivery_log set success = true, processing_time_ms = $2 where id = $1',
    [rows[0].id, Date.now() - started],
  );
  await pool.query(
    `insert into webhook_health (workspace_name, last_webhook_at, webhook_count_24h, health_status)
     values ($1, now(), 1, 'healthy')
     on conflict (workspace_name) do update set last_webhook_at = now(),
       webhook_count_24h = webhook_health.webhook_count_24h + 1, health_status = 'healthy'`,
    [workspace],
  );
}

const app = express();
app.post('/hooks/outreach', express.raw({ type: '*/*' }), async (request, response) => {
  if (key && !signatureHolds(request, request.body)) {
    return response.status(401).json({ error: 'bad signature' });
  }
  await handle(JSON.parse(request.body));
  response.json({ ok: true });
});

const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  console.log(JSON.stringify({ hook_url: `http://127.0.0.1:${port}/hooks/outreach` }));
});
