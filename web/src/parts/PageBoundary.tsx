import { Component, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./Button";

interface Props { /** Where it stands; another place begins anew. */ place: string; children: ReactNode }

/** A page that fails takes nothing else with it: the frame, the counts and the alarm bar stay. */
export class PageBoundary extends Component<Props, { failed: Error | null }> {
  override state = { failed: null as Error | null };

  static getDerivedStateFromError(failed: Error) {
    return { failed };
  }

  override componentDidUpdate(before: Props) {
    if (before.place !== this.props.place && this.state.failed) this.setState({ failed: null });
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return <PageFailed message={this.state.failed.message} retry={() => this.setState({ failed: null })} />;
  }
}

function PageFailed({ message, retry }: { message: string; retry: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="page-pad panel-state" role="alert">
      <p>{t("page.failed", { message })}</p>
      <Button onClick={retry}>{t("panel.tryAgain")}</Button>
    </div>
  );
}
