//! Sessions of users.

use chrono::TimeDelta;

use crate::problem::Problem;
use crate::question::Question;
use crate::windows::Page;

/// `GET /api/windows?kind=session`.
#[expect(clippy::unused_async, reason = "they will be read")]
pub(crate) async fn windows(_question: &Question, _gap: Option<TimeDelta>) -> Result<Page, Problem> {
    Err(Problem::parameter("kind", "session", "is not built yet; use tumbling or hopping"))
}
