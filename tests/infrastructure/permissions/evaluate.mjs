// Evaluates requests as IAM does, in one process: JSON on standard input, JSON on standard output.
//
// Input: {policies: {id: document}, requests: [{principal, action, resource, account, context, identity: [id],
// boundary: [id], resourcePolicy: id or null, endpoint: [id]}]}.
// Output: one object a request: {result, blockedBy, error, ignored, allowing, allowingByResource}. The last two have the
// statements of the identity policies and of the resource policy that allow it: {sid, action, resource}, with the patterns
// that match it.
import { runSimulation } from '@cloud-copilot/iam-simulate'

const { policies, requests } = JSON.parse(await readAll(process.stdin))
const named = (ids) => ids.map((id) => ({ name: id, policy: policies[id] }))
const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }

async function readAll(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function matched(statements) {
  return (statements ?? []).flatMap(({ explain }) => {
    const actions = [explain.actions].flat().filter((one) => one?.matches).map((one) => one.action)
    const resources = [explain.resources].flat().filter((one) => one?.matches).map((one) => one.resource)
    return actions.flatMap((action) => resources.map((resource) => ({ sid: explain.identifier, action, resource })))
  })
}

async function evaluate(request) {
  const simulation = {
    request: {
      principal: request.principal,
      action: request.action,
      resource: { resource: request.resource, accountId: request.account },
      contextVariables: request.context,
    },
    identityPolicies: named(request.identity),
    serviceControlPolicies: [{ orgIdentifier: 'r-none', policies: [{ name: 'FullAWSAccess', policy: everything }] }],
    resourceControlPolicies: [],
    resourcePolicy: request.resourcePolicy ? policies[request.resourcePolicy] : undefined,
    permissionBoundaryPolicies: request.boundary.length ? named(request.boundary) : undefined,
    vpcEndpointPolicies: request.endpoint.length ? named(request.endpoint) : undefined,
  }
  const answer = await runSimulation(simulation, {})
  if (answer.resultType === 'error') return { result: 'Error', error: JSON.stringify(answer.errors) }
  const results = answer.resultType === 'single' ? [answer.result] : answer.results
  return {
    result: answer.overallResult,
    blockedBy: results.flatMap((one) => one.analysis.blockedBy ?? []),
    ignored: results.flatMap((one) => one.ignoredContextKeys ?? []),
    type: results.map((one) => one.resourceType),
    allowing: results.flatMap((one) => matched(one.analysis.identityAnalysis?.allowStatements)),
    allowingByResource: results.flatMap((one) => matched(one.analysis.resourceAnalysis?.allowStatements)),
  }
}

const answers = []
for (const request of requests) answers.push(await evaluate(request))
process.stdout.write(JSON.stringify(answers))
