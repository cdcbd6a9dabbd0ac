// The outreach platform of the example: 24 workspaces with replies, sent mails and leads behind an API
// of pages, and webhooks that can be lost. Able to misbehave on command.
//
//   node examples/outreach/fake-platform.mjs [--port 4811] [--hooks http://127.0.0.1:4000/hooks/outreach/dev]
//
//   POST /control/happen     { workspace, kind, lead?, webhook? }: something happens there; kind is sent,
//                            replied, interested, unsubscribed or bounced; webhook is "sent" (default),
//                            "lost" or "twice"
//   POST /control/hooks      { url }: where webhooks go; null: nowhere
//   POST /control/misbehave  { workspace?, path?, mode, times?, … }; mode null ends it. Modes: 429
//                            (retryAfter), 500, 401, html, cut, slow (ms), loop, elsewhere, short;
//                            of statistics also wrong (add) and partial
//   GET  /control/truth      { workspace: { sent, replied, interested, unsubscribed, bounced, leads } }
//   GET  /control/requests   every API request since the start
import http from 'node:http';

const pageSize = 15;
const dayOf = new Intl.DateTimeFormat('sv-SE', { timeZone: 'America/New_York' }); // 2026-01-31
export const firstWorkspace = 37;
export const workspaceCount = 24;

export function createOutreachPlatform({ hooks = null } = {}) {
  const workspaces = new Map();
  for (let i = 0; i < workspaceCount; ++i) {
    workspaces.set(firstWorkspace + i, {
      replies: [],
      sent: [],
      leads: new Map(),
      states: new Map(),
    });
  }
  const faults = [];
  const requests = [];
  let hooksUrl = hooks;
  let nextId = 1;

  const nameOf = (id) => ({ 37: 'Northwind', 38: 'Contoso' })[id] ?? `Workspace ${id}`;
  const emailOf = (id, lead) => `lead${lead}@w${id}.example`;

  const leadOf = (id, number) => {
    const { leads } = workspaces.get(id);
    if (!leads.has(number)) {
      leads.set(number, {
        id: id * 1_000_000 + number,
        email: emailOf(id, number),
        first_name: 'Lead',
        last_name: `No${number}`,
        title: 'Head of Growth',
        company: 'Fjord Analytics',
        custom_variables: [{ name: 'phone', value: '+1 555 0100' }],
        status: 'in_sequence',
        updated_at: new Date().toISOString(),
      });
    }
    return leads.get(number);
  };

  async function deliver(event) {
    if (hooksUrl === null) return;
    for (let attempt = 0; attempt < 5; ++attempt) {
      try {
        const answer = await fetch(hooksUrl, { method: 'POST', body: JSON.stringify(event) });
        if (answer.ok) return;
      } catch {
        // The receiver is away; tried again like a real sender would, only sooner.
      }
      await new Promise((done) => setTimeout(done, 200 << attempt));
    }
  }

  async function happen({ workspace, kind, lead: number = 1, webhook = 'sent' }) {
    const at = new Date().toISOString();
    const space = workspaces.get(workspace);
    const lead = leadOf(workspace, number);
    const id = nextId++;
    const reply = {
      id,
      uuid: `reply-${id}`,
      lead_id: lead.id,
      date_received: at,
      from_email_address: lead.email,
      interested: kind === 'interested',
    };
    if (kind === 'replied') space.replies.push(reply);
    // Marking changes the reply that is there; it sends no second one.
    const marked = space.replies.findLast((r) => r.lead_id === lead.id) ?? reply;
    if (kind === 'interested') {
      if (marked === reply) space.replies.push(reply);
      marked.interested = true;
    }
    if (kind === 'sent')
      space.sent.push({ id, lead_id: lead.id, campaign_id: 5, sender_email_id: 3, sent_at: at });
    if (kind === 'unsubscribed' || kind === 'bounced')
      Object.assign(lead, { status: kind, updated_at: at });
    const key = `${kind}:${kind === 'sent' || kind === 'replied' ? id : lead.id}`;
    space.states.set(key, kind);
    if (webhook === 'lost') return;
    const types = {
      sent: 'EMAIL_SENT',
      replied: 'CONTACT_REPLIED',
      interested: 'LEAD_INTERESTED',
      unsubscribed: 'CONTACT_UNSUBSCRIBED',
      bounced: 'EMAIL_BOUNCED',
    };
    const told = kind === 'interested' ? marked : reply;
    const event = {
      event: {
        type: types[kind],
        name: types[kind],
        instance_url: 'https://outreach.example',
        workspace_id: workspace,
        workspace_name: nameOf(workspace),
        timestamp: at,
      },
      data: {
        lead: { ...lead, unsubscribed_at: at },
        reply: {
          id: told.id,
          uuid: told.uuid,
          date_received: told.date_received,
          from_name: 'Lead',
          from_email_address: lead.email,
        },
        campaign: { id: 5, name: 'Autumn' },
        sender_email: { id: 3, email: 'sales@example.com', name: 'Sales' },
        email: { subject: 'Hello', sent_at: at, bounced_at: at },
      },
    };
    await deliver(event);
    if (webhook === 'twice') await deliver(event);
  }

  const send = (res, status, body, headers = {}) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

  const faultOf = (workspace, path) => {
    const at = faults.findIndex(
      (f) => (!f.workspace || f.workspace === workspace) && (!f.path || path.startsWith(f.path)),
    );
    if (at < 0) return undefined;
    const fault = faults[at];
    if (fault.times !== undefined && --fault.times <= 0) faults.splice(at, 1);
    return fault;
  };

  // What a workspace counts on the days from … to, in its zone.
  function stats(space, from, to) {
    const within = (at) => {
      const day = dayOf.format(new Date(at));
      return from <= day && day <= to;
    };
    const leads = [...space.leads.values()].filter((lead) => within(lead.updated_at));
    return {
      emails_sent: space.sent.filter((mail) => within(mail.sent_at)).length,
      replied: space.replies.filter((reply) => within(reply.date_received)).length,
      interested: space.replies.filter((reply) => reply.interested && within(reply.date_received))
        .length,
      unsubscribed: leads.filter((lead) => lead.status === 'unsubscribed').length,
      bounced: leads.filter((lead) => lead.status === 'bounced').length,
    };
  }

  async function api(req, res, url, base) {
    const workspace = Number(
      /^Bearer demo-key-(\d+)$/.exec(req.headers.authorization ?? '')?.[1] ?? 0,
    );
    requests.push({ workspace, path: url.pathname + url.search });
    const space = workspaces.get(workspace);
    if (!space) return send(res, 401, { message: 'unauthenticated' });
    const lists = {
      '/api/replies': () => space.replies.toReversed(),
      '/api/scheduled-emails': () => space.sent.toReversed(),
      '/api/leads': () => [...space.leads.values()],
    };
    if (url.pathname === '/api/workspaces/v1.1/stats') {
      const fault = faultOf(workspace, url.pathname);
      if (fault?.mode === '500' || fault?.mode === '401') return send(res, Number(fault.mode), {});
      if (fault?.mode === 'html')
        return send(res, 200, '<html>maintenance</html>', { 'content-type': 'text/html' });
      const data = stats(
        space,
        url.searchParams.get('start_date'),
        url.searchParams.get('end_date'),
      );
      if (fault?.mode === 'wrong') data.emails_sent += fault.add;
      if (fault?.mode === 'partial') delete data.emails_sent;
      return send(res, 200, { data });
    }
    const list = lists[url.pathname]?.();
    if (!list) return send(res, 404, {});
    const page = Number(url.searchParams.get('page') ?? 1);
    const last = Math.max(1, Math.ceil(list.length / pageSize));
    const next = new URL(url.pathname + url.search, base);
    next.searchParams.set('page', String(page + 1));
    const body = {
      data: list.slice((page - 1) * pageSize, page * pageSize),
      links: { next: page < last ? next.href : null },
      meta: { current_page: page, last_page: last, total: list.length },
    };
    const fault = faultOf(workspace, url.pathname);
    switch (fault?.mode) {
      case '429':
        return send(
          res,
          429,
          {},
          fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) },
        );
      case '500':
      case '401':
        return send(res, Number(fault.mode), {});
      case 'html':
        return send(res, 200, '<html>maintenance</html>', { 'content-type': 'text/html' });
      case 'cut': {
        const text = JSON.stringify(body);
        res.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
        res.write(text.slice(0, text.length / 2));
        setTimeout(() => res.destroy(), 10);
        return undefined;
      }
      case 'slow':
        await new Promise((done) => setTimeout(done, fault.ms));
        break;
      case 'loop':
        body.links.next = url.href;
        break;
      case 'elsewhere':
        body.links.next = 'http://127.0.0.2:9/api/replies?page=2';
        break;
      case 'short':
        body.data = body.data.slice(0, -1);
        break;
      default:
    }
    return send(res, 200, body);
  }

  async function control(res, url, body) {
    switch (url.pathname) {
      case '/control/happen':
        for (const event of Array.isArray(body) ? body : [body]) await happen(event);
        return send(res, 200, {});
      case '/control/hooks':
        hooksUrl = body.url;
        return send(res, 200, {});
      case '/control/misbehave':
        if (body.mode === null) faults.length = 0;
        else faults.push(body);
        return send(res, 200, {});
      case '/control/truth':
        return send(res, 200, truth());
      case '/control/requests':
        return send(res, 200, requests);
      default:
        return send(res, 404, {});
    }
  }

  function truth() {
    const out = {};
    for (const [id, space] of workspaces) {
      const count = (kind) => [...space.states.values()].filter((k) => k === kind).length;
      out[id] = { name: nameOf(id), leads: space.leads.size };
      for (const kind of ['interested', 'unsubscribed', 'bounced']) out[id][kind] = count(kind);
      // A lead that is marked before it has answered has an answer from then on.
      out[id].replied = space.replies.length;
      out[id].sent = space.sent.length;
    }
    return out;
  }

  const server = http.createServer((req, res) => {
    let text = '';
    req.on('data', (bytes) => (text += bytes));
    req.on('end', () => {
      const base = `http://127.0.0.1:${req.socket.localPort}`;
      const url = new URL(req.url, base);
      if (url.pathname.startsWith('/api/')) return api(req, res, url, base);
      return control(res, url, text === '' ? {} : JSON.parse(text));
    });
  });
  return { server, happen, truth, faults, requests, setHooks: (url) => (hooksUrl = url) };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const option = (name, otherwise) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? otherwise : process.argv[at + 1];
  };
  const { server } = createOutreachPlatform({ hooks: option('--hooks', null) });
  server.listen(Number(option('--port', 4811)), '127.0.0.1', () => {
    console.log(`fake outreach platform on http://127.0.0.1:${server.address().port}`);
  });
}
