import { useSignal } from "../lib/signal";
import { Icon } from "../parts/Icon";
import { currentToast } from "../parts/toasts";

export function ToastRegion() {
  const shown = useSignal(currentToast);
  return (
    <div className="toast-region" role="status">
      {shown && (
        <div className="toast">
          <Icon name="check" />
          <span>{shown.text}</span>
          {shown.action && <button type="button" className="text-button" onClick={shown.action.run}>{shown.action.label}</button>}
        </div>
      )}
    </div>
  );
}
