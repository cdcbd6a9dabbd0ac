// The vendors' own packages sign, the real binary judges: what they sign is accepted and applied,
// and the same with one byte changed is refused.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sign as signGithub } from '@octokit/webhooks-methods';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as SvixWebhook } from 'svix';
import { read, startTidewire, until } from './server.mjs';

const require = createRequire(import.meta.url);
const twilio = require('twilio/lib/webhooks/webhooks');
const { Signature } = require('@hubspot/api-client');

const limit = { timeout: 120_000 };
// Behind a proxy: what senders call is not where we listen.
const publicUrl = 'https://hooks.example.com';
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const rawKey = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url');

const secrets = {
  svix: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  standard: `whsec_${Buffer.from('a key of thirty-two bytes for us').toString('base64')}`,
  standard_v1a: `whpk_${rawKey.toString('base64')}`,
  stripe: 'whsec_of_the_dashboard',
  github: "It's a secret to everybody",
  slack: '8f742231b10e8888abcd99yyyzzz85a5',
  meta: 'an app secret',
  shopify: 'hush',
  twilio: 'an auth token',
  twilio_json: 'another auth token',
  hubspot: 'a client secret',
};
const schemes = {
  svix: 'svix',
  standard: 'standard-webhooks',
  standard_v1a: 'standard-webhooks-v1a',
  stripe: 'stripe',
  github: 'github',
  slack: 'slack',
  meta: 'meta',
  shopify: 'shopify',
  twilio: 'twilio',
  twilio_json: 'twilio-json',
  hubspot: 'hubspot',
};
const variable = (name) => `SIGNER_${name.toUpperCase()}`;
const now = () => Math.floor(Date.now() / 1000);
const json = (body) => ({ body, headers: { 'Content-Type': 'application/json' } });

/** Signs `event`: the request that the vendor would send to `path`. */
const signers = {
  async svix(event) {
    const body = JSON.stringify(event);
    const at = now();
    const hook = new SvixWebhook(secrets.svix);
    const signature = hook.sign(`msg_${event.id}`, new Date(at * 1000), body);
    const headers = { 'svix-id': `msg_${event.id}`, 'svix-timestamp': at };
    return { body, headers: { ...headers, 'svix-signature': signature } };
  },
  async standard(event) {
    const body = JSON.stringify(event);
    const at = now();
    const hook = new StandardWebhook(secrets.standard);
    return {
      body,
      headers: {
        'webhook-id': `msg_${event.id}`,
        'webhook-timestamp': at,
        'webhook-signature': hook.sign(`msg_${event.id}`, new Date(at * 1000), body),
      },
    };
  },
  async standard_v1a(event) {
    const body = JSON.stringify(event);
    const at = now();
    const signature = signBytes(null, Buffer.from(`msg_${event.id}.${at}.${body}`), privateKey);
    return {
      body,
      headers: {
        'webhook-id': `msg_${event.id}`,
        'webhook-timestamp': at,
        'webhook-signature': `v1,AAAA v1a,${signature.toString('base64')}`,
      },
    };
  },
  async stripe(event) {
    const payload = JSON.stringify(event);
    const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: secrets.stripe });
    return { body: payload, headers: { 'Stripe-Signature': header } };
  },
  async github(event) {
    const body = JSON.stringify(event);
    return { body, headers: { 'X-Hub-Signature-256': await signGithub(secrets.github, body) } };
  },
  async slack(event) {
    const body = JSON.stringify(event);
    const at = now();
    const mac = createHmac('sha256', secrets.slack).update(`v0:${at}:${body}`).digest('hex');
    return {
      body,
      headers: { 'X-Slack-Signature': `v0=${mac}`, 'X-Slack-Request-Timestamp': at },
    };
  },
  async meta(event) {
    // Meta escapes what is not ASCII; the bytes that are sent are signed.
    const body = JSON.stringify(event).replace(
      /[\u0080-\uffff]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    const mac = createHmac('sha256', secrets.meta).update(body).digest('hex');
    return { body, headers: { 'X-Hub-Signature-256': `sha256=${mac}` } };
  },
  async shopify(event) {
    const body = JSON.stringify(event);
    const mac = createHmac('sha256', secrets.shopify).update(body).digest('base64');
    return { body, headers: { 'X-Shopify-Hmac-Sha256': mac } };
  },
  async twilio(event, path) {
    const query = '?source=sms&n=2';
    const body = new URLSearchParams(event).toString();
    const url = `${publicUrl}${path}${query}`;
    return {
      body,
      query,
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'X-Twilio-Signature': twilio.getExpectedTwilioSignature(secrets.twilio, url, event),
      },
    };
  },
  async twilio_json(event, path) {
    const body = JSON.stringify(event);
    const query = `?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
    const url = `${publicUrl}${path}${query}`;
    const signature = twilio.getExpectedTwilioSignature(secrets.twilio_json, url, {});
    return { body, query, headers: { 'X-Twilio-Signature': signature } };
  },
  async hubspot(event, path) {
    const requestBody = JSON.stringify(event);
    const query = '?redirect=https%3A%2F%2Fa.example%2Fb&name=a%20b';
    const timestamp = Date.now();
    // HubSpot signs a query in which these are decoded; its package leaves that to the caller.
    const decoded = query.replaceAll('%3A', ':').replaceAll('%2F', '/');
    const signature = Signature.getSignature('POST', 'v3', {
      clientSecret: secrets.hubspot,
      url: `${publicUrl}${path}${decoded}`,
      requestBody,
      timestamp,
    });
    return {
      body: requestBody,
      query,
      headers: {
        'X-HubSpot-Signature-v3': signature,
        'X-HubSpot-Request-Timestamp': timestamp,
      },
    };
  },
};

function writeConfig(t) {
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-signers-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const sources = Object.entries(schemes).map(
    ([name, scheme]) => `
  ${name}:
    webhook:
      path: /hooks/${name}
      public_url: ${publicUrl}
      authenticate: { any_of: [{ scheme: ${scheme}, secret: "\${env:${variable(name)}}" }] }
      events: $
      type: { const: message }
      tenant: { at: $.account }
    events:
      message: { upsert: { table: messages, key: { account: tenant.id, source: source.name, message: $.id }, set: { text: $.text } } }`,
  );
  const files = {
    'tidewire.yaml': `version: 1
auth: { jwt_secret: "\${env:TIDEWIRE_JWT_SECRET}" }
store: { schema: [schema.sql], seed: [seed.sql] }
tables: { messages: {} }
sources: { signers: signers.yaml }
`,
    'signers.yaml': `version: 1
tenants:
  id: text
  registry: { table: accounts, columns: { id: id, name: name } }
sources:${sources.join('')}
`,
    'schema.sql': `create table if not exists accounts(id text primary key, name text not null);
create table if not exists messages(account text not null, source text not null, message text not null, text text, primary key(account, source, message));
`,
    'seed.sql': "insert into accounts values ('a1', 'Acme') on conflict do nothing;\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

async function start(t, changed = {}) {
  const directory = writeConfig(t);
  const environment = Object.fromEntries(
    Object.entries({ ...secrets, ...changed }).map(([name, secret]) => [variable(name), secret]),
  );
  return startTidewire(t, ['--config', join(directory, 'tidewire.yaml')], environment);
}

async function send(server, name, { body, query = '', headers }) {
  const answer = await fetch(`${server.url}/hooks/${name}${query}`, {
    method: 'POST',
    headers: { ...json('').headers, ...headers },
    body,
  });
  await answer.arrayBuffer();
  return answer.status;
}

const event = (name, n) => ({ account: 'a1', id: `${name}-${n}`, text: 'Grüße, 50% & more' });

/** The ways in which somebody could try: each changes what is signed, or who signs. */
function tamper(request) {
  const changes = [
    { ...request, body: request.body.replace('50%', '51%').replace('50%25', '51%25') },
    { ...request, headers: {} },
  ];
  for (const [name, value] of Object.entries(request.headers)) {
    if (name === 'Content-Type') continue;
    // A time, an id, or the signature's last bytes.
    const text = String(value);
    const at = /^\d+$/.test(text) ? text.length - 1 : Math.max(0, text.length - 6);
    const other = text[at] === '1' ? '2' : '1';
    const next = text.slice(0, at) + other + text.slice(at + 1);
    changes.push({ ...request, headers: { ...request.headers, [name]: next } });
  }
  if (request.query) changes.push({ ...request, query: `${request.query}&more=1` });
  return changes;
}

test('what the vendors sign is accepted and applied, and nothing else is', limit, async (t) => {
  const server = await start(t);
  const rows = async () => (await read(server, 'messages', server.info.service_key)).rows;
  for (const [name, sign] of Object.entries(signers)) {
    await t.test(name, async () => {
      const path = `/hooks/${name}`;
      const request = await sign(event(name, 1), path);
      assert.equal(await send(server, name, request), 200);
      await until(async () => (await rows()).some((row) => row.message === `${name}-1`));
      const row = (await rows()).find((one) => one.message === `${name}-1`);
      assert.equal(row.text, 'Grüße, 50% & more');
      const other = await sign(event(name, 2), path);
      const attempts = tamper(other);
      assert.ok(attempts.length >= 3);
      for (const attempt of attempts) {
        assert.equal(await send(server, name, attempt), 401, JSON.stringify(attempt.headers));
      }
      // It was the change that was refused.
      assert.equal(await send(server, name, other), 200);
    });
  }
  await until(async () => (await rows()).length === 2 * Object.keys(signers).length);
});

test('every vendor refuses the others', limit, async (t) => {
  const wrong = Object.fromEntries(
    Object.entries(secrets)
      .filter(([name]) => !name.startsWith('standard') && name !== 'svix')
      .map(([name, secret]) => [name, `${secret}x`]),
  );
  const server = await start(t, wrong);
  for (const name of Object.keys(wrong)) {
    const request = await signers[name](event(name, 1), `/hooks/${name}`);
    assert.equal(await send(server, name, request), 401, name);
  }
});
