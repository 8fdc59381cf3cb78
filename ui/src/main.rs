//! Starts the control center in the page that has loaded it. On the host there is nothing to start; what can be tested there is in the
//! library.

fn main() {
    #[cfg(target_arch = "wasm32")]
    steward_ui::start();
}
