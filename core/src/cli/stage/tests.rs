//! The stage on the real engine: the parts really run from an image made of this very test, really fail, and are gone afterwards.
//! Where there is no engine, these say that they are skipped.

use super::*;

const SHOW: Show = Show {
    name: "demo",
    prefix: "",
    lifetime: SignedDuration::from_mins(15),
};

/// Docker's usual socket.
const HOST: &str = "unix:///var/run/docker.sock";

async fn open() -> Option<Stage> {
    let id = format!("test-{:08x}", rand::random::<u32>());
    #[allow(
        clippy::disallowed_methods,
        reason = "a test of real things in real time"
    )]
    let now = Timestamp::now();
    match Stage::open(SHOW, HOST, id, now).await {
        Ok(stage) => Some(stage),
        Err(failure) => {
            eprintln!("skipped: {failure}");
            None
        }
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_what_to_do() {
    let failure = Stage::open(
        SHOW,
        "unix:///nowhere/docker.sock",
        "x".to_owned(),
        Timestamp::UNIX_EPOCH,
    )
    .await
    .err()
    .unwrap();
    assert_eq!(failure.exit_code(), 7);
    assert!(
        failure.to_string().contains("unix:///nowhere/docker.sock"),
        "{failure}"
    );
}

#[tokio::test]
async fn what_is_made_runs_and_is_removed() {
    let Some(mut stage) = open().await else {
        return;
    };
    let made = async {
        stage.make_image().await?;
        // The test harness takes `demo-workload` and the role for filters that match no test, and ends well.
        let part = Part {
            command: [image::EXECUTABLE, "demo-workload", "crash"]
                .map(str::to_owned)
                .to_vec(),
            ..Part::default()
        };
        stage.start("part", &part).await?;
        let mut exit = stage.docker.wait_container(
            &stage.name("part"),
            None::<bollard::query_parameters::WaitContainerOptions>,
        );
        let ended = futures_util::StreamExt::next(&mut exit).await;
        let at = stage.ended_at("part").await;
        Ok::<_, Failure>((ended, at))
    }
    .await;
    let struck = stage.strike().await;
    let again = stage.strike().await;
    let (ended, at) = made.unwrap();
    assert!(matches!(ended, Some(Ok(status)) if status.status_code == 0));
    assert!(at.is_some());
    struck.unwrap();
    again.unwrap();
    let filters = HashMap::from([("label", vec![stage.label()])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    assert!(
        stage
            .docker
            .list_containers(Some(options))
            .await
            .unwrap()
            .is_empty()
    );
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    assert!(
        stage
            .docker
            .list_images(Some(options))
            .await
            .unwrap()
            .is_empty()
    );
}
