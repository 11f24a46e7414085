/** Keeps a mistake in one view from taking the page with it. */
import { Component, type ComponentChildren } from "preact";

interface BoundaryProps {
  /** Where somebody is: elsewhere it is tried anew. */
  place: string;
  children: ComponentChildren;
}

interface BoundaryState {
  failure: { place: string; message: string } | null;
}

export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { failure: null };

  override componentDidCatch(error: unknown): void {
    this.setState({ failure: { place: this.props.place, message: String(error) } });
    // It is a mistake of ours, for whoever looks into the console.
    reportError(error);
  }

  override render({ place, children }: BoundaryProps, { failure }: BoundaryState) {
    if (failure?.place !== place) return children;
    return (
      <div class="empty" role="alert">
        <h1>This cannot be shown</h1>
        <p>The page has stumbled over something it was not made for; everything else goes on.</p>
        <pre>{failure.message}</pre>
        <button type="button" onClick={() => this.setState({ failure: null })}>
          Try again
        </button>
      </div>
    );
  }
}
