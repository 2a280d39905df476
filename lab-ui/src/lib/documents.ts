/** Documents of jobs of which the page has views of its own, with the types that the server gives them. */
import type { Schemas } from './api';
import type { Job } from './jobs.svelte';

interface Documents {
  classify: Schemas['ClassifyDocument'];
  'data check': Schemas['DataCheckDocument'];
  embed: Schemas['Embedding'];
  explain: Schemas['ExplainDocument'];
}

/** The document of a job of a verb, so far; null before there is one, and for jobs of other verbs. */
export function documentOf<Verb extends keyof Documents>(job: Job | null, verb: Verb): Documents[Verb] | null {
  return job?.verb === verb ? (job.document as unknown as Documents[Verb] | null) : null;
}
