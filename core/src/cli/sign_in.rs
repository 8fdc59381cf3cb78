//! `sign-in`: a link that signs a browser in once.

use serde::Serialize;
use steward_api::{MakeSignInLink, Nothing, SignInLink};

use super::{
    Context,
    failure::{Exit, Failure},
    output::{Tone, clean, units},
};

/// The link with the address that it is for.
#[derive(Serialize)]
struct Made {
    /// What to open.
    url: String,
    #[serde(flatten)]
    link: SignInLink,
}

pub(super) async fn sign_in(context: &Context) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let link = client.call::<MakeSignInLink>(None, &Nothing {}).await?;
    let url = format!("{}{}", client.url(), link.path);
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&Made { url, link })?;
        return Ok(Exit::Done);
    }
    let left = link.expires_at.duration_since(screen.now);
    screen.print(&format!(
        "{}\nIt signs in once, within {}, whoever opens it.\n",
        screen.paint(Tone::Strong, clean(&url)),
        units::duration(left)
    ))?;
    Ok(Exit::Done)
}
