import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { useNotify } from '@tidewire/components';
import { usePresence, useTidewire, useTyping } from '@tidewire/react/hooks';
import { date, time } from './format.js';
import type { DemoUser } from './session.js';
import type { Message } from './tables.js';

interface Pending {
  readonly id: string;
  readonly body: string;
}

/** The conversation of one customer with the office: who is here, who types, what was said. */
export function Conversation(props: {
  me: DemoUser;
  customerId: number;
  messages: readonly Message[];
  isLoading: boolean;
}): ReactNode {
  const { me, customerId, messages, isLoading } = props;
  const client = useTidewire();
  const notify = useNotify();
  const room = `conversation-${customerId}`;
  const side = me.portal;
  const { others } = usePresence(room, { name: me.name, side }, { key: me.sub });
  const { typing, notify: notifyTyping } = useTyping(room, me.name, { key: me.sub });
  const [text, setText] = useState('');
  const [pending, setPending] = useState<readonly Pending[]>([]);
  const end = useRef<HTMLLIElement>(null);
  const known = new Set(messages.map((message) => message.id));
  const waiting = pending.filter((each) => !known.has(each.id));
  const counterpart = others.filter((member) => member.state.side !== side);
  useEffect(() => {
    end.current?.parentElement?.scrollTo({ top: end.current.offsetTop });
  }, [messages.length, waiting.length]);

  const send = async (event: FormEvent) => {
    event.preventDefault();
    const body = text.trim();
    if (!body) return;
    const id = crypto.randomUUID();
    setText('');
    setPending((all) => [...all, { id, body }]);
    const created_at = new Date().toISOString();
    try {
      await client.write({
        table: 'messages',
        method: 'insert',
        values: { id, customer_id: customerId, sender: side, body, created_at },
        mutationId: `${room}:${id}`,
      });
    } catch (error) {
      setPending((all) => all.filter((each) => each.id !== id));
      setText(body);
      const reason = error instanceof Error ? error.message : String(error);
      notify({ kind: 'message', tone: 'bad', title: 'Your message was not sent', text: reason });
    }
  };

  return (
    <section className="card conversation" aria-labelledby="conversation-title">
      <header>
        <h2 id="conversation-title">Messages</h2>
        <p className="presence" data-testid="presence" data-online={counterpart.length > 0}>
          <span className="tw-dot" aria-hidden="true" />
          {counterpart.length > 0
            ? `${counterpart.map((member) => String(member.state.name)).join(', ')} online`
            : `${side === 'customer' ? 'The office' : 'The customer'} is away`}
        </p>
      </header>
      <ol className="thread" data-testid="thread" aria-live="polite">
        {isLoading ? <li className="skeleton" aria-hidden="true" /> : null}
        {!isLoading && messages.length === 0 ? (
          <li className="muted">Nothing yet. Ask us anything.</li>
        ) : null}
        {messages.map((message) => (
          <li key={message.id} data-own={message.sender === side} data-id={message.id}>
            <p>{message.body}</p>
            <span className="muted">
              {date(message.created_at)}, {time(message.created_at)}
              {message.read_at ? ' · read' : ''}
            </span>
          </li>
        ))}
        {waiting.map((message) => (
          <li key={message.id} data-own="true" data-pending="true">
            <p>{message.body}</p>
            <span className="muted">sending…</span>
          </li>
        ))}
        <li ref={end} className="thread-end" aria-hidden="true" />
      </ol>
      <p className="typing" data-testid="typing" role="status">
        {typing.length > 0
          ? `${typing.join(', ')} ${typing.length > 1 ? 'are' : 'is'} typing…`
          : ''}
      </p>
      <form onSubmit={(event) => void send(event)}>
        <label className="tw-hidden" htmlFor="compose">
          Your message
        </label>
        <input
          id="compose"
          value={text}
          maxLength={500}
          autoComplete="off"
          placeholder="Write a message"
          onChange={(event) => {
            setText(event.target.value);
            notifyTyping();
          }}
        />
        <button type="submit" className="primary" disabled={!text.trim()}>
          Send
        </button>
      </form>
    </section>
  );
}
