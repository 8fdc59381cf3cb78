//! The history of metrics: points, sums, retention, reading.

use std::time::Duration;

use jiff::Timestamp;
use steward_api::{Metric, MetricPoint, MetricQuery, MetricSeries};

use super::{Factory, dump};
use crate::{
    ports::{Retention, Sample, Store},
    store::{SqlStore, builders::container},
};

const HOUR: i64 = 3600;
/// A round time: the beginning of a day.
const BEGIN: i64 = 1_799_971_200;
const RETENTION: Retention = Retention {
    fine: Duration::from_secs(6 * 3600),
    medium: Duration::from_secs(7 * 24 * 3600),
    coarse: Duration::from_secs(400 * 24 * 3600),
};

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + seconds).unwrap()
}

fn sample(seconds: i64, value: f64) -> Sample {
    Sample {
        resource: container("web"),
        metric: Metric::CpuPercent,
        at: time(seconds),
        value,
    }
}

async fn read(store: &SqlStore, from: i64, to: i64, step: Option<u32>) -> MetricSeries {
    let query = MetricQuery {
        resource: container("web"),
        metric: Metric::CpuPercent,
        from: Some(time(from)),
        to: Some(time(to)),
        step,
    };
    store.series(&query, time(to)).await.unwrap()
}

/// A point in short: when, lowest, mean, highest, how many.
fn short(point: &MetricPoint) -> (i64, f64, f64, f64, u64) {
    let at = point.at.as_second() - BEGIN;
    (at, point.min, point.mean, point.max, point.count)
}

fn shorts(series: &MetricSeries) -> Vec<(i64, f64, f64, f64, u64)> {
    series.points.iter().map(short).collect()
}

/// One reading every 30 s; the value is the number of the minute.
async fn fill(store: &SqlStore, from: i64, to: i64) {
    let samples: Vec<_> = (from..to)
        .step_by(30)
        .map(|second| sample(second, (second / 60) as f64))
        .collect();
    for chunk in samples.chunks(500) {
        store.record(chunk).await.unwrap();
    }
}

pub(crate) async fn readings_become_points(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    store.record(&[]).await.unwrap();
    let mut other = sample(5, 99.0);
    other.metric = Metric::MemoryBytes;
    store
        .record(&[sample(5, 1.0), sample(59, 3.0), other, sample(61, 8.0)])
        .await
        .unwrap();
    store
        .record(&[
            sample(30, -1.0),
            sample(30, f64::NAN),
            sample(240, f64::INFINITY),
        ])
        .await
        .unwrap();
    store.record(&[sample(300, 5.5)]).await.unwrap();
    let series = read(&store, 0, 600, None).await;
    assert_eq!((series.unit.as_str(), series.step), ("%", 60));
    // Nothing between: a time without readings has no point.
    assert_eq!(
        shorts(&series),
        [
            (0, -1.0, 1.0, 3.0, 3),
            (60, 8.0, 8.0, 8.0, 1),
            (300, 5.5, 5.5, 5.5, 1),
        ]
    );
    // By default the hour before.
    let query = MetricQuery {
        resource: container("web"),
        metric: Metric::CpuPercent,
        from: None,
        to: None,
        step: None,
    };
    let series = store.series(&query, time(HOUR + 100)).await.unwrap();
    assert_eq!(shorts(&series).len(), 2);
    let unknown = MetricQuery {
        resource: container("never"),
        ..query
    };
    let series = store.series(&unknown, time(HOUR)).await.unwrap();
    assert!(series.points.is_empty());
}

pub(crate) async fn a_thousand_series_are_recorded_and_found(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    for round in 0..3 {
        let samples: Vec<_> = (0..1200)
            .map(|number| Sample {
                resource: container(&format!("box{}", number / 6)),
                metric: Metric::ALL[number % 6],
                at: time(round * 60),
                value: number as f64,
            })
            .collect();
        store.record(&samples).await.unwrap();
    }
    for number in [0, 7, 601, 1199] {
        let query = MetricQuery {
            resource: container(&format!("box{}", number / 6)),
            metric: Metric::ALL[number % 6],
            from: Some(time(0)),
            to: Some(time(600)),
            step: None,
        };
        let series = store.series(&query, time(600)).await.unwrap();
        let means: Vec<_> = series.points.iter().map(|point| point.mean).collect();
        assert_eq!(means, [number as f64; 3]);
    }
}

pub(crate) async fn finer_points_are_summed_up_once(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    fill(&store, 0, 5 * HOUR).await;
    let now = time(5 * HOUR);
    store.tidy(now, RETENTION).await.unwrap();
    let tables = ["points", "series", "metric_marks"];
    let once = dump(&store, &tables).await;
    store.tidy(now, RETENTION).await.unwrap();
    store.tidy(now, RETENTION).await.unwrap();
    assert_eq!(dump(&store, &tables).await, once);
    // 300 fine, 30 medium, 2 coarse (the third is not complete).
    let count = |resolution: i64| {
        once.iter()
            .filter(|row| row.starts_with(&format!("points: [BigInt({resolution})")))
            .count()
    };
    assert_eq!((count(60), count(600), count(7200)), (300, 30, 2));
}

pub(crate) async fn a_late_reading_is_summed_up_too(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    fill(&store, 0, 5 * HOUR).await;
    store.tidy(time(5 * HOUR), RETENTION).await.unwrap();
    store.record(&[sample(90, 1000.0)]).await.unwrap();
    store.tidy(time(5 * HOUR + 300), RETENTION).await.unwrap();
    // Seen from later, when only the sums are left.
    store.tidy(time(48 * HOUR), RETENTION).await.unwrap();
    let series = read(&store, 0, 1199, None).await;
    assert_eq!(series.step, 600);
    let expected = (2.0 * 45.0 + 1000.0) / 21.0;
    assert_eq!(
        shorts(&series),
        [(0, 0.0, expected, 1000.0, 21), (600, 10.0, 14.5, 19.0, 20)]
    );
    store.tidy(time(30 * 24 * HOUR), RETENTION).await.unwrap();
    let series = read(&store, 0, 7199, None).await;
    assert_eq!(series.step, 7200);
    assert_eq!(series.points[0].max, 1000.0);
    assert_eq!(series.points[0].count, 241);
}

pub(crate) async fn what_is_too_old_goes_and_the_sums_stay(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    fill(&store, 0, 30 * HOUR).await;
    let now = 30 * HOUR;
    store.tidy(time(now), RETENTION).await.unwrap();
    // The last six hours by the minute.
    let series = read(&store, now - 5 * HOUR, now, None).await;
    assert_eq!((series.step, series.points.len()), (60, 300));
    // Before, by ten minutes, up to the newest reading.
    let series = read(&store, 0, now, None).await;
    assert_eq!((series.step, series.points.len()), (600, 180));
    assert_eq!(short(&series.points[0]), (0, 0.0, 4.5, 9.0, 20));
    let before = shorts(&series);
    // What is gone stays summed up as it was, whatever comes in too late, and however often this runs.
    store.record(&[sample(90, 5000.0)]).await.unwrap();
    for minutes in 0..5 {
        store
            .tidy(time(now + minutes * 60), RETENTION)
            .await
            .unwrap();
    }
    assert_eq!(shorts(&read(&store, 0, now, None).await), before);
    // A range whose newest part is not yet summed up is whole, too.
    fill(&store, now, now + 1500).await;
    let series = read(&store, HOUR, now + 1500, None).await;
    assert_eq!(series.points.last().unwrap().at, time(now + 1200));
    assert_eq!(
        series.points.iter().map(|point| point.count).sum::<u64>(),
        2 * (29 * 60 + 25)
    );

    // Weeks later only two-hour points are left of it, and after years nothing, not even the name.
    let later = now + 20 * 24 * HOUR;
    store.tidy(time(later), RETENTION).await.unwrap();
    let series = read(&store, 0, later, None).await;
    assert_eq!(series.step, 7200);
    assert_eq!(
        series.points.iter().map(|point| point.count).sum::<u64>(),
        2 * (30 * 60 + 25)
    );
    store
        .tidy(time(later + 500 * 24 * HOUR), RETENTION)
        .await
        .unwrap();
    assert!(dump(&store, &["points", "series"]).await.is_empty());
    // And it can begin again.
    store
        .record(&[sample(later + 500 * 24 * HOUR, 1.0)])
        .await
        .unwrap();
    let end = later + 500 * 24 * HOUR;
    assert_eq!(read(&store, end - 60, end + 60, None).await.points.len(), 1);
}

pub(crate) async fn a_step_groups_points(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    fill(&store, 0, 20 * HOUR).await;
    let series = read(&store, 0, 599, Some(300)).await;
    assert_eq!(series.step, 300);
    assert_eq!(
        shorts(&series),
        [(0, 0.0, 2.0, 4.0, 10), (300, 5.0, 7.0, 9.0, 10)]
    );
    // Finer than there is, and no multiple of what there is.
    assert_eq!(read(&store, 0, 600, Some(1)).await.step, 60);
    assert_eq!(read(&store, 0, 600, Some(90)).await.step, 120);
    // 1,200 minutes: every third, so as to have at most 500.
    let series = read(&store, 0, 20 * HOUR, None).await;
    assert_eq!(series.step, 180);
    assert!(series.points.len() <= 500);
    assert_eq!(
        series.points.iter().map(|point| point.count).sum::<u64>(),
        2400
    );
}

pub(crate) async fn any_range_is_answered(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let query = |from: Timestamp, to: Timestamp| MetricQuery {
        resource: container("web"),
        metric: Metric::CpuPercent,
        from: Some(from),
        to: Some(to),
        step: Some(60),
    };
    let all = query(Timestamp::MIN, Timestamp::MAX);
    assert!(store.series(&all, time(0)).await.unwrap().points.is_empty());
    fill(&store, 0, HOUR).await;
    let series = store.series(&all, time(0)).await.unwrap();
    assert_eq!(
        series.points.iter().map(|point| point.count).sum::<u64>(),
        120
    );
    let backwards = query(time(HOUR), time(0));
    assert!(
        store
            .series(&backwards, time(0))
            .await
            .unwrap()
            .points
            .is_empty()
    );
    let one_moment = query(time(90), time(90));
    assert_eq!(
        store
            .series(&one_moment, time(0))
            .await
            .unwrap()
            .points
            .len(),
        1
    );
}
