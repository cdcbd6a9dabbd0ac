// The outside world of the campaign example: Meta Ads, Switchboard and ActBlue for three
// organizations, with truth tables, able to misbehave on command.
//
//   node examples/campaign/fake-provider.mjs [--port 4810]
//
//   GET  /control/truth               what the mirror must become: { orgN: { ads, messages, donations } }
//   POST /control/set                 { org, ads?, messages?, donations? } replaces parts of it
//   POST /control/misbehave           { source, org?, mode, times?, … }; mode null ends it
//   GET  /control/requests            every request since the start: { source, org, path }
//
// Modes: 429 (retryAfter), 500, 401, html, cut (half an answer), slow (ms), loop (the same page for
// ever), elsewhere (a next link to another host), fatal (Meta's code 190), limited (Meta's code 17),
// never (an export that is never ready), expired (its link is gone).
import http from 'node:http';

// Ad accounts report days of their own time zone, as the organizations of seed.sql have them.
const zones = { 1: 'America/New_York', 2: 'America/Chicago', 3: 'America/Los_Angeles' };
/** The account's calendar day, `back` days ago. */
function day(org, back) {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: zones[org] }).format(new Date());
  return new Date(Date.parse(today) - back * 86400_000).toISOString().slice(0, 10);
}

export function createCampaignProvider() {
  const orgs = new Map();
  for (const n of [1, 2, 3]) {
    orgs.set(n, {
      ads: [0, 1, 2, 3].flatMap((back) =>
        [1, 2].map((ad) => ({
          ad_id: `${n}00${ad}`,
          date_start: day(n, back),
          spend: `${10 * n + ad + back}.${25 * ad}`,
          impressions: String(1000 * n + back),
          clicks: String(10 * ad + back),
        })),
      ),
      messages: Array.from({ length: 7 }, (_, i) => ({
        id: `sms-${n}-${i + 1}`,
        status: i % 3 === 0 ? 'failed' : 'delivered',
        cost: '0.0150',
        updated_at: new Date(Date.now() - (7 - i) * 60_000).toISOString(),
      })),
      donations: Array.from({ length: 5 }, (_, i) => ({
        receipt: `AB${n}0${i + 1}`,
        date: new Date(Date.now() - (i + 1) * 3600_000).toISOString(),
        amount: `${25 * (i + 1)}.00`,
        email: `donor${i + 1}@example.com`,
        months: String(i),
      })),
    });
  }
  const faults = [];
  const requests = [];
  const exports = new Map();

  const faultOf = (source, org) => {
    const at = faults.findIndex((f) => f.source === source && (!f.org || f.org === org));
    if (at < 0) return undefined;
    const fault = faults[at];
    if (fault.times !== undefined && --fault.times <= 0) faults.splice(at, 1);
    return fault;
  };
  const send = (res, status, body, headers = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(text);
  };
  // Does what the fault says; true when the request was answered by it.
  const misbehave = async (fault, res, whole) => {
    switch (fault?.mode) {
      case '429':
        send(
          res,
          429,
          {},
          fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) },
        );
        return true;
      case '500':
      case '401':
        send(res, Number(fault.mode), { error: 'no' });
        return true;
      case 'html':
        send(res, 200, '<html>maintenance</html>', { 'content-type': 'text/html' });
        return true;
      case 'cut': {
        const text = JSON.stringify(whole);
        res.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
        res.write(text.slice(0, text.length / 2));
        setTimeout(() => res.destroy(), 10);
        return true;
      }
      case 'slow':
        await new Promise((done) => setTimeout(done, fault.ms));
        return false;
      case 'fatal':
        send(res, 400, { error: { code: 190, message: 'token expired' } });
        return true;
      case 'limited':
        send(res, 400, { error: { code: 17, message: 'too many calls' } });
        return true;
      default:
        return false;
    }
  };

  const meta = async (req, res, url, base) => {
    const account = Number(/^\/meta\/act_(\d+)\/insights$/.exec(url.pathname)?.[1] ?? 0) - 100;
    const org = orgs.get(account);
    requests.push({ source: 'meta', org: account, path: url.pathname + url.search });
    if (!org) return send(res, 404, {});
    if (url.searchParams.get('access_token') !== `meta-token-${account}`) {
      return send(res, 400, { error: { code: 190, message: 'bad token' } });
    }
    const range = JSON.parse(url.searchParams.get('time_range'));
    const rows = org.ads.filter(
      (ad) => ad.date_start >= range.since && ad.date_start <= range.until,
    );
    const after = Number(url.searchParams.get('after') ?? 0);
    const body = { data: rows.slice(after, after + 1), paging: {} };
    const fault = faultOf('meta', account);
    if (fault?.mode === 'elsewhere') {
      body.paging.next = 'http://127.0.0.2:9/meta/next';
    } else if (fault?.mode === 'loop' || after + 1 < rows.length) {
      const next = new URL(url.pathname + url.search, base);
      next.searchParams.set('after', String(fault?.mode === 'loop' ? after : after + 1));
      body.paging.next = next.href;
    }
    if (await misbehave(fault, res, body)) return undefined;
    return send(res, 200, body);
  };

  const switchboard = async (req, res, url) => {
    const number = Number(
      /^Bearer switchboard-token-(\d)$/.exec(req.headers.authorization ?? '')?.[1] ?? 0,
    );
    requests.push({ source: 'switchboard', org: number, path: url.pathname + url.search });
    const org = orgs.get(number);
    if (!org) return send(res, 401, {});
    const since = url.searchParams.get('updated_since') ?? '';
    const rows = org.messages
      .filter((m) => m.updated_at >= since)
      .sort((a, b) => a.updated_at.localeCompare(b.updated_at));
    const at = Number(url.searchParams.get('cursor') ?? 0);
    const body = { items: rows.slice(at, at + 3) };
    if (at + 3 < rows.length) body.next_cursor = String(at + 3);
    if (await misbehave(faultOf('switchboard', number), res, body)) return undefined;
    return send(res, 200, body);
  };

  const actblue = async (req, res, url, base) => {
    const file = /^\/actblue\/files\/(\d)-\d+\.csv$/.exec(url.pathname);
    if (file) {
      const number = Number(file[1]);
      requests.push({ source: 'actblue_file', org: number, path: url.pathname });
      if (faultOf('actblue', number)?.mode === 'expired') return send(res, 403, 'expired');
      const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const lines = orgs
        .get(number)
        .donations.map((d) =>
          [d.receipt, d.date, d.amount, d.email, d.months, d.note ?? ''].map(quote).join(','),
        );
      const head = 'Receipt ID,Date,Amount,Donor Email,Recurring Total Months,Note';
      return send(res, 200, `\ufeff${[head, ...lines].join('\r\n')}\r\n`, {
        'content-type': 'text/csv',
      });
    }
    const number = Number(
      /^Bearer actblue-token-(\d)$/.exec(req.headers.authorization ?? '')?.[1] ?? 0,
    );
    requests.push({ source: 'actblue', org: number, path: url.pathname });
    if (!orgs.has(number)) return send(res, 401, {});
    const fault = faultOf('actblue', number);
    if (await misbehave(fault, res, { id: 1 })) return undefined;
    if (req.method === 'POST') {
      const id = exports.size + 1;
      exports.set(id, { org: number, asks: 0 });
      return send(res, 200, { id });
    }
    const id = Number(url.pathname.split('/').at(-1));
    const wanted = exports.get(id);
    if (!wanted || wanted.org !== number) return send(res, 404, {});
    if (fault?.mode === 'never' || ++wanted.asks < 2)
      return send(res, 200, { status: 'in_progress' });
    return send(res, 200, {
      status: 'complete',
      download_url: new URL(`/actblue/files/${number}-${id}.csv`, base).href,
    });
  };

  const control = (req, res, url, body) => {
    switch (url.pathname) {
      case '/control/truth':
        return send(res, 200, Object.fromEntries([...orgs].map(([n, org]) => [`org${n}`, org])));
      case '/control/set':
        Object.assign(orgs.get(body.org), body.values);
        return send(res, 200, {});
      case '/control/misbehave':
        if (body.mode === null) {
          faults.length = 0;
        } else {
          faults.push(body);
        }
        return send(res, 200, {});
      case '/control/requests':
        return send(res, 200, requests);
      default:
        return send(res, 404, {});
    }
  };

  const server = http.createServer((req, res) => {
    let text = '';
    req.on('data', (bytes) => (text += bytes));
    req.on('end', () => {
      const base = `http://127.0.0.1:${req.socket.localPort}`;
      const url = new URL(req.url, base);
      if (url.pathname.startsWith('/meta/')) return meta(req, res, url, base);
      if (url.pathname.startsWith('/switchboard/')) return switchboard(req, res, url);
      if (url.pathname.startsWith('/actblue/')) return actblue(req, res, url, base);
      return control(req, res, url, text === '' ? {} : JSON.parse(text));
    });
  });
  return { server, orgs, faults, requests };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const at = process.argv.indexOf('--port');
  const port = at < 0 ? 4810 : Number(process.argv[at + 1]);
  const { server } = createCampaignProvider();
  server.listen(port, '127.0.0.1', () => {
    console.log(`fake campaign provider on http://127.0.0.1:${server.address().port}`);
  });
}
