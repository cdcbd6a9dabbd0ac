// What SWR takes from `use-sync-external-store/shim`, of the React that is under test.
export { useSyncExternalStore } from 'react';
