/** Words for people about a link and what it carries. */

/** The fields that tell one link from another. */
type Named = Readonly<Record<'name' | 'provider' | 'device', string>>;

/** A link's name, for people. */
export function linkName({ name, provider, device }: Named): string {
  return device === '' ? name : `${name} (${provider}, ${device})`;
}

export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
