// Tells when light and dark change places: by the button of the page, or by the system.

export function watchTheme(changed: () => void): () => void {
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', changed);
  const button = new MutationObserver(changed);
  button.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    scheme.removeEventListener('change', changed);
    button.disconnect();
  };
}
