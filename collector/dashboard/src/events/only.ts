// Narrows the list down to one of these.
export interface Only {
  host?: string;
  service?: string;
  model?: string;
}
