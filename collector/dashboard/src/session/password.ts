// What a new password must be, before it is sent: the collector decides, this only spares a round.

/** Long beats complicated: nothing else is asked of it. */
export const SHORTEST = 12;

export interface PasswordFaults {
  password?: string;
  again?: string;
}

export function faultOfPassword(password: string, again: string): PasswordFaults {
  // By characters, as people count them, not by halves of them.
  const n = [...password].length;
  if (n === 0) return { password: `Choose one of at least ${SHORTEST} characters.` };
  if (n < SHORTEST) return { password: `At least ${SHORTEST} characters; these are ${n}.` };
  return password === again ? {} : { again: 'This is not the same.' };
}
