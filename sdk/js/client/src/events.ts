/** One server-sent event. `id` is null when the event did not bring one. */
export interface ServerEvent {
  readonly name: string;
  readonly data: string;
  readonly id: string | null;
}

/**
 * Reads `text/event-stream` (WHATWG HTML §9.2.6) in pieces of any size. Unlike EventSource it gives
 * out events that have an id and no data: the server tells positions so.
 */
export class EventParser {
  #rest = '';
  #name = '';
  #data: string[] = [];
  #id: string | null = null;

  push(text: string): ServerEvent[] {
    this.#rest += text;
    const events: ServerEvent[] = [];
    // A carriage return at the end may be half of a line's end.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (line !== '') this.#field(line);
      else {
        if (this.#data.length > 0 || this.#id !== null) {
          const data = this.#data.join('\n');
          events.push({ name: this.#name || 'message', data, id: this.#id });
        }
        this.#name = '';
        this.#data = [];
        this.#id = null;
      }
    }
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#name = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }
}
