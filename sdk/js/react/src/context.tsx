import { createContext, createElement, useContext, type ReactNode } from 'react';
import type { Client } from '@tidewire/client';

const ClientContext = createContext<Client | null>(null);

/** Gives the hooks below it their client. The application makes and closes the client itself. */
export function TidewireProvider(props: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/** The client of the nearest provider. Errors: throws where there is none. */
export function useTidewire(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('No <TidewireProvider client={…}> above this component.');
  return client;
}
