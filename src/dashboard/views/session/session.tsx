export function SessionView({ id }: { id: string }) {
  return <p>{id}</p>;
}
