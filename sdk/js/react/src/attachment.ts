import { useMemo } from 'react';
import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import type { Client } from '@tidewire/client';
import { attachmentOf, attachQueryClient, type Attachment } from '@tidewire/query';
import { useTidewire } from './context.js';

/** The attachment of the nearest query client; made where there is none. */
export function useAttachment(): Attachment {
  const client = useTidewire();
  const queryClient = useQueryClient();
  return useMemo(() => attached(client, queryClient), [client, queryClient]);
}

function attached(client: Client, queryClient: QueryClient): Attachment {
  const known = attachmentOf(queryClient);
  return known?.client === client ? known : attachQueryClient(client, queryClient);
}
