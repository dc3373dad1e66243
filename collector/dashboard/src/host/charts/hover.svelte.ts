// Where the pointer is in time: all charts of a host share it.

export class Hover {
  /** The row under the pointer; `null` while it is elsewhere. */
  row = $state<number | null>(null);
}
