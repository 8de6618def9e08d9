// The page of a node, for its operators.

import { HOME } from "./feed.js";
import * as followers from "./followers.js";
import * as happened from "./happened.js";
import * as health from "./health.js";
import * as members from "./members.js";
import { operate } from "./operate.js";

operate({ title: "Quipu node", screens: [health, followers, happened, members], elsewhere: [[`${HOME}public/ui/`, "Schedules"]] });
