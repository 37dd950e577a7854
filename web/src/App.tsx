import { useEffect } from "react";
import { SetUpPage } from "./entry/SetUpPage";
import { SignInPage } from "./entry/SignInPage";
import { setUpNeeded } from "./entry/setUp";
import { session, refreshSession } from "./lib/session";
import { useSignal } from "./lib/signal";
import { HatchPatterns } from "./parts/Hatch";
import { Shell } from "./shell/Shell";

export function App() {
  const who = useSignal(session);
  const needed = useSignal(setUpNeeded);
  useEffect(() => void refreshSession(), []);
  return (
    <>
      <HatchPatterns />
      {who ? <Shell /> : who === null && (needed ? <SetUpPage /> : <SignInPage />)}
    </>
  );
}
