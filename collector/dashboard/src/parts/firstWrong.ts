// After a refusal the focus goes to the first field that is wrong, once it is marked as such.
import { tick } from 'svelte';

export async function focusFirstWrong(form: HTMLElement): Promise<void> {
  await tick();
  form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
}
