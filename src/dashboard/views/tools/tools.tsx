export function ToolsView() {
  return <p>tools</p>;
}
