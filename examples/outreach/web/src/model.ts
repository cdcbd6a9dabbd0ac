/** The tables of the outreach mirror, as this page reads them, and how they are worded. */

export interface Lead {
  workspace_name: string;
  lead_email: string;
  first_name: string | null;
  last_name: string | null;
  title: string | null;
  company: string | null;
  pipeline_stage: string | null;
  updated_at: string | null;
}

export interface Metrics {
  workspace_name: string;
  metric_date: string | null;
  emails_sent_mtd: number | null;
  opens_mtd: number | null;
  replies_mtd: number | null;
  positive_replies_mtd: number | null;
  unsubscribed_mtd: number | null;
  bounced_mtd: number | null;
  updated_at: string | null;
  update_source: string | null;
}

export interface Health {
  workspace_name: string;
  last_webhook_at: string | null;
  webhook_count_24h: number | null;
  health_status: string | null;
}

export const stages = [
  { id: 'new', label: 'New' },
  { id: 'contacted', label: 'Contacted' },
  { id: 'replied', label: 'Replied' },
  { id: 'interested', label: 'Interested' },
  { id: 'qualified', label: 'Qualified' },
  { id: 'closed', label: 'Closed' },
  { id: 'unsubscribed', label: 'Unsubscribed' },
  { id: 'bounced', label: 'Bounced' },
] as const;

export type StageId = (typeof stages)[number]['id'];

/** The column of a lead; stages that this page does not know are shown as new. */
export function stageOf(lead: Pick<Lead, 'pipeline_stage'>): StageId {
  const found = stages.find((stage) => stage.id === lead.pipeline_stage);
  return found ? found.id : 'new';
}

export function stageLabel(id: string | null | undefined): string {
  return stages.find((stage) => stage.id === id)?.label ?? id ?? 'New';
}

export function nameOf(lead: Partial<Lead>): string {
  const name = [lead.first_name, lead.last_name].filter(Boolean).join(' ');
  return name || lead.lead_email || 'Unknown lead';
}

export function initialsOf(lead: Partial<Lead>): string {
  const first = lead.first_name?.[0] ?? lead.lead_email?.[0] ?? '?';
  return (first + (lead.last_name?.[0] ?? '')).toUpperCase();
}

/** What a card says below the name: title and company, or else the address. */
export function linesOf(lead: Partial<Lead>): string[] {
  const lines = [lead.title, lead.company].filter((line) => !!line) as string[];
  return lines.length > 0 ? [...new Set(lines)] : [lead.lead_email ?? ''];
}

const whole = new Intl.NumberFormat('en-US');
export const formatCount = (value: number | null | undefined): string => whole.format(value ?? 0);

export function formatShare(part: number, of: number): string {
  return of > 0 ? `${((100 * part) / of).toFixed(1)} %` : '';
}

/** A server's time; a text without zone is UTC. */
export function timeOf(text: string | null | undefined): number | null {
  if (!text) return null;
  const zoned = /[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(' ', 'T')}Z`;
  const time = Date.parse(zoned.replace(' ', 'T'));
  return Number.isNaN(time) ? null : time;
}

/** "now", "12 s", "5 min", "3 h", "2 d". */
export function formatAgo(time: number | null, now: number): string {
  if (time === null) return 'never';
  const seconds = Math.max(0, Math.floor((now - time) / 1000));
  if (seconds < 5) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
