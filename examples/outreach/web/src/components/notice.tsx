/** A problem, in words, with what can be done about it. */
export function Notice(props: { title: string; text: string; onRetry?: () => void }) {
  return (
    <div className="notice" role="alert" data-testid="error">
      <strong>{props.title}</strong>
      <p>{props.text}</p>
      {props.onRetry && (
        <button type="button" className="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
