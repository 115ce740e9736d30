# The secrets that the configurations here name, for their tests. Sourced, never run.
# shellcheck shell=bash
export SHOP_SECRET=a-secret-for-a-test CHAT_URL=https://hooks.slack.com/services/x FORGE_TOKEN="token t"
export ROBOT_URL='https://oapi.dingtalk.com/robot/send?access_token=t' ROBOT_KEY=SECt
